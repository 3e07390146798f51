#include "generator/spec/read_pattern.h"
#include "generator/cli/npy/npy.h"
#include "generator/spec/error.h"
#include "generator/spec/helpers.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <system_error>

namespace attune {
namespace {

constexpr int64_t most_blocks = int64_t(1) << 24;  // a byte each in the object

[[noreturn]] void fail(const std::string &path, const std::string &value, const std::string &problem, const std::string &expected,
                       const std::string &cure) {
    throw Error({.code = ErrorCode::input,
                 .argument = "blocks",
                 .value = value,
                 .expected = expected,
                 .cure = cure,
                 .file = path,
                 .problem = path + ": " + problem});
}

template <class T> void copy_truth(const NpyArray &array, std::vector<uint8_t> &out) {
    for (size_t i = 0; i < out.size(); i++) {
        T x;
        std::memcpy(&x, array.bytes.data() + i * sizeof x, sizeof x);
        out[i] = x != 0;
    }
}

}  // namespace

std::string folder_of(const std::string &file) {
    const size_t slash = file.find_last_of('/');
    return slash == std::string::npos ? "" : file.substr(0, slash + 1);
}

std::shared_ptr<const Pattern> read_pattern(const std::string &file, const std::string &folder, int64_t size) {
    std::error_code missing;
    const bool beside = !file.starts_with('/') && std::filesystem::exists(folder + file, missing);
    const std::string path = beside ? folder + file : file;
    const NpyArray array = read_npy(path, path);

    const bool has_heads = array.shape.size() == 3;
    if (array.shape.size() != 2 && !has_heads)
        fail(path, npy_shape_text(array.shape), fmt::format("the shape is {}", npy_shape_text(array.shape)),
             "(rows, columns) or (heads, rows, columns), in blocks", "save such an array");
    if (array.size() == 0 || array.size() > most_blocks)
        fail(path, npy_shape_text(array.shape), fmt::format("the shape is {}", npy_shape_text(array.shape)),
             fmt::format("1 to {} blocks", most_blocks), array.size() == 0 ? "save an array that is not empty" : "make the blocks larger");
    auto pattern = std::make_shared<Pattern>();
    pattern->file = file;
    pattern->path = path;
    pattern->size = size;
    if (has_heads) pattern->heads = array.shape[0];
    pattern->rows = array.shape[array.shape.size() - 2];
    pattern->columns = array.shape.back();
    pattern->visible.resize(static_cast<size_t>(array.size()));
    if (array.dtype == "|b1")
        copy_truth<uint8_t>(array, pattern->visible);
    else if (array.dtype == "<i4")
        copy_truth<int32_t>(array, pattern->visible);
    else if (array.dtype == "<i8")
        copy_truth<int64_t>(array, pattern->visible);
    else
        fail(path, npy_dtype_name(array.dtype), fmt::format("the type is {}", npy_dtype_name(array.dtype)), "bool, int32 or int64",
             "save array.astype(bool)");
    pattern->hash = hash_pattern(*pattern);
    return pattern;
}

}  // namespace attune

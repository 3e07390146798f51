#include "safetensors.h"

#include "input_error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

static_assert(std::endian::native == std::endian::little, "tensors are read in place");

constexpr std::size_t size_bytes = 8;
constexpr std::size_t max_header = 100'000'000;  // the limit of the reference implementation

std::size_t element_bytes(const std::string &dtype) {
    static const std::map<std::string, std::size_t> sizes = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
                                                             {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
                                                             {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};
    const auto found = sizes.find(dtype);
    return found == sizes.end() ? 0 : found->second;
}

std::string shape_text(const std::vector<int64_t> &shape) {
    std::string text;
    for (int64_t extent : shape)
        text += (text.empty() ? "" : ", ") + std::to_string(extent);
    return "(" + text + ")";
}

}  // namespace

Safetensors::Safetensors(const std::string &path) : path_(path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (file < 0 || fstat(file, &status) != 0) {
        const int error = errno;
        if (file >= 0)
            close(file);
        throw InputError(path + ": cannot open: " + std::strerror(error));
    }
    file_size_ = static_cast<std::size_t>(status.st_size);
    if (!S_ISREG(status.st_mode) || file_size_ < size_bytes) {
        close(file);
        throw InputError(path + ": not a safetensors file: it has " + std::to_string(file_size_) +
                         " bytes, expected a header size of 8 bytes first");
    }
    void *mapped = mmap(nullptr, file_size_, PROT_READ, MAP_PRIVATE, file, 0);
    const int error = errno;
    close(file);
    if (mapped == MAP_FAILED)
        throw InputError(path + ": cannot map into memory: " + std::strerror(error));
    file_ = static_cast<const std::byte *>(mapped);
    try {
        parse();
    } catch (...) {
        munmap(mapped, file_size_);
        throw;
    }
}

Safetensors::~Safetensors() {
    munmap(const_cast<std::byte *>(file_), file_size_);
}

void Safetensors::parse() {
    const auto fail = [&](const std::string &what) -> InputError { return InputError(path_ + ": malformed safetensors file: " + what); };

    uint64_t header_size;
    std::memcpy(&header_size, file_, size_bytes);
    if (header_size > file_size_ - size_bytes || header_size > max_header)
        throw fail("the header claims " + std::to_string(header_size) + " bytes, but " + std::to_string(file_size_ - size_bytes) +
                   " follow; is the download complete?");
    data_ = size_bytes + header_size;
    const std::size_t data_size = file_size_ - data_;

    const char *text = reinterpret_cast<const char *>(file_) + size_bytes;
    nlohmann::json header;
    try {
        header = nlohmann::json::parse(text, text + header_size);
    } catch (const nlohmann::json::exception &e) {
        throw fail(std::string("the header is no JSON: ") + e.what());
    }
    if (!header.is_object())
        throw fail("the header is no JSON object");

    for (const auto &[name, entry] : header.items()) {
        if (name == "__metadata__")
            continue;
        const std::string who = "tensor " + name;
        if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
            !entry["shape"].is_array() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array() ||
            entry["data_offsets"].size() != 2)
            throw fail(who + " needs a dtype, a shape and two data_offsets");

        Tensor tensor{entry["dtype"], {}, 0, 0};
        std::size_t bytes = element_bytes(tensor.dtype);
        if (bytes == 0)
            throw fail(who + " has the unknown dtype " + tensor.dtype);
        for (const auto &extent : entry["shape"]) {
            if (!extent.is_number_unsigned() || extent.get<uint64_t>() > INT64_MAX)
                throw fail(who + " has the extent " + extent.dump());
            tensor.shape.push_back(extent.get<int64_t>());
            if (__builtin_mul_overflow(bytes, extent.get<uint64_t>(), &bytes))
                throw fail(who + " has a size over 64 bits");
        }
        const auto &begin = entry["data_offsets"][0], &end = entry["data_offsets"][1];
        if (!begin.is_number_unsigned() || !end.is_number_unsigned())
            throw fail(who + " has data_offsets that are no sizes");
        tensor.begin = begin.get<uint64_t>();
        tensor.end = end.get<uint64_t>();
        if (tensor.begin > tensor.end || tensor.end > data_size)
            throw fail(who + " lies at bytes " + std::to_string(tensor.begin) + " to " + std::to_string(tensor.end) + " of " +
                       std::to_string(data_size) + "; is the download complete?");
        if (tensor.end - tensor.begin != bytes)
            throw fail(who + " has " + std::to_string(tensor.end - tensor.begin) + " bytes, but " + tensor.dtype + " " +
                       shape_text(tensor.shape) + " takes " + std::to_string(bytes));
        tensors_.emplace(name, std::move(tensor));
    }

    // The tensors tile the data; a name given twice leaves a gap, since JSON keeps the last.
    std::vector<const std::pair<const std::string, Tensor> *> order;
    for (const auto &entry : tensors_)
        order.push_back(&entry);
    std::ranges::sort(order, {}, [](const auto *entry) { return std::pair(entry->second.begin, entry->second.end); });
    std::size_t at = 0;
    for (const auto *entry : order) {
        if (entry->second.begin != at)
            throw fail("tensor " + entry->first + " starts at byte " + std::to_string(entry->second.begin) + ", expected " +
                       std::to_string(at));
        at = entry->second.end;
    }
    if (at != data_size)
        throw fail(std::to_string(data_size - at) + " bytes after the last tensor");
}

std::span<const float> Safetensors::floats(const std::string &name, const std::vector<int64_t> &shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
        throw InputError(path_ + ": no tensor " + name);
    const Tensor &tensor = found->second;
    if (tensor.dtype != "F32" || tensor.shape != shape)
        throw InputError(path_ + ": tensor " + name + " is " + tensor.dtype + " " + shape_text(tensor.shape) + ", expected F32 " +
                         shape_text(shape));
    if ((data_ + tensor.begin) % alignof(float) != 0)
        throw InputError(path_ + ": tensor " + name +
                         " is not aligned to its elements; save the file again with a current safetensors library");
    return {reinterpret_cast<const float *>(file_ + data_ + tensor.begin), (tensor.end - tensor.begin) / sizeof(float)};
}

#include "generator/cli/weights_file.h"

#include "generator/cli/npy/npy.h"
#include "generator/reference/half.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace attune::cli {
namespace {

/// How far a row's sum may be off: each weight is rounded to the type (2^-24, 2^-11, 2^-8 of it), and a kernel that is not normalised
/// afterwards takes all of a row relative to an lse that is rounded to f32 (1e-5 at |lse| of 100).
double tolerance(const std::string &dtype) {
    return dtype == "<f4" ? 1e-4 : dtype == "<f2" ? 2e-3 : 1e-2;
}

std::vector<float> floats(const NpyArray &array) {
    std::vector<float> out(array.size());
    if (array.dtype == "<f4") {
        if (!out.empty())
            std::memcpy(out.data(), array.bytes.data(), array.bytes.size());
        return out;
    }
    for (size_t i = 0; i < out.size(); i++) {
        uint16_t bits = 0;
        std::memcpy(&bits, &array.bytes[2 * i], 2);
        out[i] = array.dtype == "<f2" ? f16_to_float(bits) : bf16_to_float(bits);
    }
    return out;
}

}  // namespace

WeightsFile read_weights(const std::string &path, const std::string &argument) {
    const NpyArray array = read_npy(path, argument);
    const auto refuse = [&](const std::string &found, const std::string &expected, const std::string &cure) {
        throw Error({.code = ErrorCode::input,
                     .argument = argument,
                     .value = found,
                     .expected = expected,
                     .cure = cure,
                     .file = path,
                     .problem = "no attention weights: " + found});
    };
    const std::string make = "write weights with 'attune run --weights F.npy'";
    if (array.dtype != "<f4" && array.dtype != "<f2" && array.dtype != "<u2")
        refuse("it is of " + npy_dtype_name(array.dtype), "float32, float16 or uint16 (bits of bf16)", make);
    const size_t rank = array.shape.size();
    if (rank < 2 || rank > 4)
        refuse(fmt::format("its shape is {}", npy_shape_text(array.shape)),
               "(batch, heads, rows, keys), or its last two or three dimensions", make);
    if (array.size() == 0)
        refuse(fmt::format("its shape is {}", npy_shape_text(array.shape)), "at least one row and one key", "there is nothing to show");

    WeightsFile file;
    file.keys = array.shape[rank - 1], file.rows = array.shape[rank - 2];
    file.heads = rank > 2 ? array.shape[rank - 3] : 1;
    file.batch = rank > 3 ? array.shape[0] : 1;
    file.weights = floats(array);
    const auto place = [&](int64_t row) {
        return fmt::format("row {} of head {} of batch {}", row % file.rows, row / file.rows % file.heads, row / file.rows / file.heads);
    };
    for (int64_t row = 0; row < file.batch * file.heads * file.rows; row++) {
        double sum = 0;
        for (int64_t kv = 0; kv < file.keys; kv++) {
            const float weight = file.weights[row * file.keys + kv];
            if (!(weight >= 0) || std::isinf(weight))
                refuse(fmt::format("key {} of {} is {}", kv, place(row), weight), "weights from 0 to 1", "logits are no weights: " + make);
            sum += weight;
        }
        const double off = std::abs(sum - 1);
        if (sum != 0 && off > tolerance(array.dtype))
            refuse(fmt::format("{} sums to {:.6g}", place(row), sum), "rows that sum to 1, or to 0 where they see no key",
                   "give whole rows of a softmax: " + make);
        if (sum != 0)
            file.worst_sum = std::max(file.worst_sum, off);
    }
    return file;
}

}  // namespace attune::cli

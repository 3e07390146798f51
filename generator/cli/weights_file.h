#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace attune::cli {

/// Attention weights as `attune run --weights` (or --pairs) writes them, as floats.
struct WeightsFile {
    int64_t batch = 1, heads = 1, rows = 0, keys = 0;
    std::vector<float> weights;  ///< (batch, heads, rows, keys)
    double worst_sum = 0;        ///< |sum of a row - 1|, the largest; of rows that see a key

    const float *matrix(int64_t b, int64_t h) const { return weights.data() + (b * heads + h) * rows * keys; }
};
/// Reads (rows, keys), (heads, rows, keys) or (batch, heads, rows, keys) of float32, float16 or uint16 (bits of bf16), and looks at every
/// number: none is negative or not a number, and each row sums to 1, or to 0 where it sees no key, but for the roundings of its type.
/// Throws Error(input) that names the file and the first place that is not so.
WeightsFile read_weights(const std::string &path, const std::string &argument);

}  // namespace attune::cli

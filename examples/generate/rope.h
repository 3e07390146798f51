#pragma once
#include <cstdint>
#include <vector>

/// Rotary position embedding (Su et al. 2021, arXiv:2104.09864): pair i of a head, its elements 2i and 2i + 1, is turned by the angle
///   position * base^(-2i / head_dim).
/// The library does the same where it can: its append turns keys, its decode kernels turn queries (ROPE in CMakeLists.txt). This class turns
/// the queries of prefill, whose kernels do not, and all that the plain loops see.
/// Neighbours make a pair in GGUF files of Llama's kind: their rows of the query's and key's weights are in that order. Hugging Face's have
/// i and i + head_dim / 2 instead; the products of query and key are the same.
class Rope {
public:
    Rope(int64_t head_dim, double base, int64_t positions);

    /// Turns x, (head_dim, heads, tokens) innermost first, whose tokens are at first_position, first_position + 1, …
    void rotate(float *x, int64_t heads, int64_t tokens, int64_t first_position) const;

private:
    int64_t pairs_;
    std::vector<float> cos_, sin_;  ///< (pairs, positions)
};

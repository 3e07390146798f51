/// One long sequence and its chunks: what each process can tell without asking another.
#pragma once
#include <attune/attention.hpp>

#include <cstdint>
#include <vector>

inline constexpr int64_t num_heads = 8, num_kv_heads = 4, head_dim = 64;

/// Tokens first .. first + count - 1 of the sequence.
struct Tokens {
    int64_t first = 0, count = 0;
};

/// Chunk `index` of `chunks`, as equal as can be; chunks of less tokens than there are chunks are empty.
Tokens chunk_of(int64_t tokens, int index, int chunks);

/// In memory (token, head, head_dim), so that a chunk of tokens is one piece. head_dim innermost, as a dense layer writes it.
enum class Tensor { query, key, value };
/// Uniform in [-2, 2), a function of tensor, token and position in the token only: any process can make any chunk.
std::vector<float> make_input(Tensor tensor, Tokens tokens);

/// Shapes for attune's views (attune::bshd) of query and output, and of key and value.
inline attune::Shape query_shape(Tokens t) {
    return {.batch = 1, .heads = num_heads, .seq_len = t.count, .head_dim = head_dim};
}
inline attune::Shape key_shape(Tokens t) {
    return {.batch = 1, .heads = num_kv_heads, .seq_len = t.count, .head_dim = head_dim};
}

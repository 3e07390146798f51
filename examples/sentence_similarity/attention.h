#pragma once
#include <cstdint>
#include <functional>

/// One attention call of the encoder: every query of a sentence sees every key of the sentence.
///   output(d, q) = sum_kv softmax_kv(sum_d query(d, q) * key(d, kv) / sqrt(head_dim)) * value(d, kv)
/// Tensors are (head_dim, num_heads, seq_len, batch), innermost first, f32; strides in elements, head_dim is contiguous.
struct AttentionCall {
    const float *query = nullptr, *key = nullptr, *value = nullptr;
    float *output = nullptr;
    int64_t batch = 0, seq_len = 0, num_heads = 0, head_dim = 0;
    int64_t stride_input[3] = {};      ///< (batch, head, sequence) of query, key and value
    int64_t stride_output[3] = {};     ///< (batch, head, sequence)
    const int32_t *lengths = nullptr;  ///< (batch) tokens in use; output rows after them are 0
    int threads = 1;
};

/// Any way to compute it; throws where it cannot.
using Attention = std::function<void(const AttentionCall &)>;

#pragma once
#include <cstdint>
#include <functional>

/// One attention call of the model: the newest `tokens` of a cache's `length` tokens see those before them and themselves.
///   output(d, h, t) = sum_j softmax_j(sum_d query(d, h, t) * key(d, j, h / group) / sqrt(head_dim)) * value(d, j, h / group),
///   j = 0 … length - tokens + t, group = num_heads / num_kv_heads
struct AttentionCall {
    const float *query = nullptr;  ///< (head_dim, num_heads, tokens), innermost first
    const float *key = nullptr;    ///< (head_dim, capacity, num_kv_heads)
    const float *value = nullptr;  ///< likewise
    float *output = nullptr;       ///< (head_dim, num_heads, tokens)
    int64_t tokens = 0, length = 0, capacity = 0;
    int64_t num_heads = 0, num_kv_heads = 0, head_dim = 0;
    int threads = 1;
};

/// Any way to compute it; throws where it cannot.
using Attention = std::function<void(const AttentionCall &)>;

#pragma once
#include "kv_cache.h"
#include "rope.h"

#include <cstdint>
#include <functional>

/// One attention call of the model: the keys and values of `tokens` new tokens go into a layer of the cache, after the length() in it, and their
/// queries see those before them and themselves. Queries and keys are turned to their positions first (rope.h).
///   output(d, h, t) = sum_j softmax_j(sum_d query(d, h, t) * key(d, j, h / group) / sqrt(head_dim)) * value(d, j, h / group),
///   j = 0 … length() + t, group = num_heads / num_kv_heads
struct AttentionCall {
    const float *query = nullptr;  ///< (head_dim, num_heads, tokens), innermost first, as a dense layer leaves them
    const float *key = nullptr;    ///< (head_dim, num_kv_heads, tokens)
    const float *value = nullptr;  ///< likewise
    float *output = nullptr;       ///< (head_dim, num_heads, tokens)
    KvCache *cache = nullptr;      ///< its length is the caller's to raise
    int64_t layer = 0;
    const Rope *rope = nullptr;
    int64_t tokens = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0;
    int threads = 1;
};

/// Any way to compute it; throws where it cannot.
using Attention = std::function<void(const AttentionCall &)>;

#include "naive_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

/// New keys and values into the cache, keys turned.
void append(const AttentionCall &call) {
    std::vector<float> turned(call.key, call.key + call.tokens * call.num_kv_heads * call.head_dim);
    call.rope->rotate(turned.data(), call.num_kv_heads, call.tokens, call.cache->length());
    float *key = call.cache->key(call.layer), *value = call.cache->value(call.layer);
    for (int64_t t = 0; t < call.tokens; ++t)
        for (int64_t h = 0; h < call.num_kv_heads; ++h) {
            const int64_t from = (t * call.num_kv_heads + h) * call.head_dim;
            const int64_t to = (h * call.cache->capacity() + call.cache->length() + t) * call.head_dim;
            std::copy_n(turned.data() + from, call.head_dim, key + to);
            std::copy_n(call.value + from, call.head_dim, value + to);
        }
}

/// Head h of token t.
void attend(const AttentionCall &call, const float *queries, int64_t h, int64_t t, std::vector<float> &weights) {
    const int64_t dims = call.head_dim, visible = call.cache->length() + t + 1;
    const int64_t kv_head = h / (call.num_heads / call.num_kv_heads) * call.cache->capacity() * dims;
    const float *query = queries + (t * call.num_heads + h) * dims;
    const float *key = call.cache->key(call.layer) + kv_head, *value = call.cache->value(call.layer) + kv_head;
    float *output = call.output + (t * call.num_heads + h) * dims;

    const float scale = 1 / std::sqrt(static_cast<float>(dims));
    float largest = std::numeric_limits<float>::lowest(), total = 0;
    for (int64_t j = 0; j < visible; ++j) {
        float dot = 0;
        for (int64_t d = 0; d < dims; ++d)
            dot += query[d] * key[j * dims + d];
        weights[j] = dot * scale;
        largest = std::max(largest, weights[j]);
    }
    std::fill_n(output, dims, 0.0f);
    for (int64_t j = 0; j < visible; ++j) {
        const float weight = std::exp(weights[j] - largest);
        total += weight;
        for (int64_t d = 0; d < dims; ++d)
            output[d] += weight * value[j * dims + d];
    }
    for (int64_t d = 0; d < dims; ++d)
        output[d] /= total;
}

}  // namespace

void naive_attention(const AttentionCall &call) {
    append(call);
    naive_attention_on_cache(call);
}

void naive_attention_on_cache(const AttentionCall &call) {
    std::vector<float> turned(call.query, call.query + call.tokens * call.num_heads * call.head_dim);
    call.rope->rotate(turned.data(), call.num_heads, call.tokens, call.cache->length());
#pragma omp parallel num_threads(call.threads)
    {
        std::vector<float> weights(call.cache->length() + call.tokens);
#pragma omp for collapse(2) schedule(static)
        for (int64_t t = 0; t < call.tokens; ++t)
            for (int64_t h = 0; h < call.num_heads; ++h)
                attend(call, turned.data(), h, t, weights);
    }
}

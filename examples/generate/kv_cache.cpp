#include "kv_cache.h"

#include <algorithm>

KvCache::KvCache(int64_t num_layers, int64_t num_kv_heads, int64_t head_dim, int64_t capacity)
    : num_kv_heads_(num_kv_heads), head_dim_(head_dim), capacity_(capacity), keys_(num_layers * layer_size()), values_(keys_.size()) {}

void KvCache::append(int64_t layer, const float *key, const float *value, int64_t tokens) {
    for (int64_t t = 0; t < tokens; ++t)
        for (int64_t h = 0; h < num_kv_heads_; ++h) {
            const int64_t from = (t * num_kv_heads_ + h) * head_dim_;
            const int64_t to = layer * layer_size() + (h * capacity_ + length_ + t) * head_dim_;
            std::copy_n(key + from, head_dim_, keys_.data() + to);
            std::copy_n(value + from, head_dim_, values_.data() + to);
        }
}

#include "kv_cache.h"

const char *name_of(CacheFormat format) {
    return format == CacheFormat::f32 ? "f32" : format == CacheFormat::i8 ? "i8" : "i4";
}

KvCache::KvCache(CacheFormat format, int64_t num_layers, int64_t num_kv_heads, int64_t head_dim, int64_t capacity)
    : format_(format), rows_{.heads = num_kv_heads, .seq_len = capacity, .head_dim = format == CacheFormat::i4 ? head_dim / 2 : head_dim},
      scales_of_rows_{.heads = num_kv_heads, .seq_len = capacity, .head_dim = format == CacheFormat::i4 ? head_dim / 32 : 1} {
    if (format == CacheFormat::f32) {
        floats_.resize(2 * num_layers * elements(rows_));
        return;
    }
    bytes_.resize(2 * num_layers * elements(rows_));
    scales_.resize(2 * num_layers * elements(scales_of_rows_));
}

KvCache::Layer KvCache::layer(int64_t layer) {
    if (format_ == CacheFormat::f32)
        return {.key = attune::bhsd(key(layer), rows_), .value = attune::bhsd(value(layer), rows_), .beside = {}};
    std::byte *key = bytes_.data() + 2 * layer * elements(rows_);
    float *scale = scales_.data() + 2 * layer * elements(scales_of_rows_);
    return {.key = attune::bhsd(key, rows_),
            .value = attune::bhsd(key + elements(rows_), rows_),
            .beside = {.key_scale = attune::bhsd(scale, scales_of_rows_),
                       .value_scale = attune::bhsd(scale + elements(scales_of_rows_), scales_of_rows_)}};
}

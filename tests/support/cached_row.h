#pragma once
#include "attune/attention.h"
#include "generator/reference/half.h"
#include "generator/spec/spec.h"

#include <cstring>
#include <vector>

/// What a cache holds, read as attune/attention.h says: it shares no code with what writes caches.
namespace attune::test {

/// Key (or value) kv of a sequence and head: `dim` numbers. kv counts from the sequence's first key.
inline std::vector<double> cached_row(const AttentionSpec &spec, const attune_attention_args &args, bool is_value, int64_t b, int64_t h, int64_t kv) {
    const KvCacheSpec &format = spec.cache;
    const int dim = is_value ? spec.head_dim_v : spec.head_dim;
    is_value = is_value && !format.values_in_key;
    int64_t block = b, slot = kv;
    if (format.layout == KvLayout::ring) slot = kv % args.seq_len_kv;
    if (format.layout == KvLayout::paged) {
        block = args.cache->page_table[b * args.cache->stride_page_table + kv / format.page_size];
        slot = kv % format.page_size;
    }
    const auto offset = [&](const int64_t *stride) { return block * stride[0] + h * stride[1] + slot * stride[2]; };
    const char *const first = static_cast<const char *>(is_value ? args.value : args.key);
    const int64_t at = offset(is_value ? args.stride_value : args.stride_key);

    std::vector<double> row;
    for (int d = 0; d < dim; d++) {
        if (format.dtype == KvDType::same) {
            if (spec.dtype == DType::f32) {
                float x = 0;
                std::memcpy(&x, first + 4 * (at + d), 4);
                row.push_back(x);
            } else {
                uint16_t bits = 0;
                std::memcpy(&bits, first + 2 * (at + d), 2);
                row.push_back(spec.dtype == DType::f16 ? f16_to_float(bits) : bf16_to_float(bits));
            }
            continue;
        }
        const attune_kv_cache &cache = *args.cache;
        const bool is_i4 = format.dtype == KvDType::i4;
        const int group = is_i4 ? d / 32 : 0, j = d % 32;
        const int64_t scale_at = offset(is_value ? cache.stride_value_scale : cache.stride_key_scale) + group;
        const float *const zeros = is_value ? cache.value_zero : cache.key_zero;
        const double scale = (is_value ? cache.value_scale : cache.key_scale)[scale_at], zero = zeros ? zeros[scale_at] : is_i4 ? 8 : 0;
        const unsigned char byte = static_cast<unsigned char>(first[at + (is_i4 ? 16 * group + j % 16 : d)]);
        const int n = !is_i4 ? static_cast<signed char>(byte) : j < 16 ? byte & 15 : byte >> 4;
        row.push_back(scale * (n - zero));
    }
    return row;
}

}  // namespace attune::test

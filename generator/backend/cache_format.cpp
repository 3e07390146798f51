#include "generator/backend/cache_format.h"

namespace attune {

attune_cache_format cache_format(const AttentionSpec &spec) {
    enum : uint8_t { type_int = 0, type_uint = 1, type_float = 2, type_bfloat = 4 };  // as in attune_buffer
    const KvCacheSpec &cache = spec.cache;
    attune_cache_format format{};
    format.layout = cache.layout == KvLayout::ring    ? ATTUNE_LAYOUT_RING
                    : cache.layout == KvLayout::paged ? ATTUNE_LAYOUT_PAGED
                                                      : ATTUNE_LAYOUT_CONTIGUOUS;
    const bool is_same = cache.dtype == KvDType::same, is_i4 = cache.dtype == KvDType::i4;
    format.type_code = is_same ? (spec.dtype == DType::bf16 ? type_bfloat : type_float) : is_i4 ? type_uint : type_int;
    format.type_bits = static_cast<uint8_t>(is_same ? 8 * dtype_bytes(spec.dtype) : 8);
    format.has_zero_points = cache.zero_points;
    format.page_size = cache.page_size;
    const int elements_of_one = is_i4 ? 2 : 1, value_dim = cache.values_in_key ? 0 : spec.head_dim_v;
    format.key_elements = spec.head_dim / elements_of_one;
    format.value_elements = value_dim / elements_of_one;
    format.key_scales = cache_scales(cache, spec.head_dim);
    format.value_scales = value_dim > 0 ? cache_scales(cache, value_dim) : 0;
    return format;
}

}  // namespace attune

/// Where the keys and values of a sequence lie, in whatever layout.
#ifndef ATTUNE_SRC_KV_CACHE_H
#define ATTUNE_SRC_KV_CACHE_H

#include "arguments.h"
#include "validate.h"

/// The rows of keys, or of values.
typedef struct attune_cache_rows {
    const char *name, *scale_name, *zero_name;
    uint8_t *data;
    const int64_t *stride;  ///< elements: (batch or page, head, slot)
    int32_t elements;       ///< of a row; 0: there are none
    float *scale, *zero;
    const int64_t *stride_scale;
    int32_t scales;  ///< of a row; 0: there are none
} attune_cache_rows;

/// A cache as a call gives it, of attention or of append.
typedef struct attune_cache_view {
    const attune_kernel *kernel;
    const attune_kv_cache *cache;  ///< null where the kernel needs none
    int64_t batch, num_kv_heads, seq_len_kv;
    const int32_t *cu_seqlens;  ///< of packed sequences, or null
    attune_cache_rows key, value;
} attune_cache_view;

attune_cache_view attune_view_cache(const attune_kernel *kernel, const attune_attention_args *args);
attune_cache_view attune_view_append_cache(const attune_kernel *kernel, const attune_append_args *args);

/// Whether rows of a sequence are listed one by one, being neither neighbours nor evenly apart.
static inline bool attune_lists_rows(const attune_kernel *kernel) {
    return kernel->cache.layout != ATTUNE_LAYOUT_CONTIGUOUS;
}
/// Whether a call needs an attune_kv_cache.
static inline bool attune_needs_cache(const attune_kernel *kernel) {
    return kernel->cache.layout == ATTUNE_LAYOUT_PAGED || kernel->cache.key_scales > 0;
}

/// Whether a row has a scale for each group of elements (i4), so that scales are (groups, keys); else (keys).
static inline bool attune_has_groups(const attune_kernel *kernel) {
    return kernel->cache.type_code == ATTUNE_TYPE_UINT;
}

/// The sequence (or page) and the slot in it of key kv of sequence `batch`.
typedef struct attune_cache_place {
    int64_t outer, slot;
} attune_cache_place;
attune_cache_place attune_find_place(const attune_cache_view *view, int64_t batch, int64_t kv);
static inline int64_t attune_place_offset(attune_cache_place place, int64_t kv_head, const int64_t stride[3]) {
    return place.outer * stride[0] + kv_head * stride[1] + place.slot * stride[2];
}
/// Keys from kv on that lie evenly apart, `most` of them at most.
int64_t attune_even_rows(const attune_cache_view *view, int64_t kv, int64_t most);

/// starts[i]: the element at which the row of key first + i starts, for i below `count`; to `padded` the last one again.
void attune_list_rows(const attune_cache_view *view, const attune_cache_rows *rows, int64_t batch, int64_t kv_head, int64_t first,
                      int64_t count, int64_t padded, int32_t *starts);
/// The same of runs of rows that follow each other without a gap.
attune_runs attune_list_runs(const attune_cache_view *view, const attune_cache_rows *rows, int64_t batch, int64_t kv_head, int64_t first,
                             int64_t count, int32_t *starts);
/// A buffer of scales or zero points of `count` keys, `stride` floats from one to the next.
attune_buffer *attune_scale_buffer(attune_slice *s, const attune_kernel *kernel, float *data, int64_t scales, int64_t count,
                                   int64_t stride);
/// Scales (or zero points, `of`) of the same keys: as they lie, or collected in `collected` where keys are listed, or keys without groups are not
/// neighbours.
attune_buffer *attune_chunk_scales(attune_slice *s, const attune_cache_view *view, const attune_cache_rows *rows, const float *of,
                                   int64_t batch, int64_t kv_head, int64_t first, int64_t count, float *collected);

/// The struct is there where it is needed, of the right size, and only there.
attune_status attune_check_cache_struct(const attune_kernel *kernel, const attune_kv_cache *cache);
/// Pages first_page .. of the first `keys` keys of a sequence are in the pool.
attune_status attune_check_pages(const attune_cache_view *view, int64_t batch, int64_t first_page, int64_t keys);
/// The same of all sequences; `lengths` of each, or null: seq_len_kv.
attune_status attune_check_cache(const attune_cache_view *view, const int32_t *lengths);
/// Keys, values, scales and zero points as operands, in this order; those that are not there have no extent.
enum { ATTUNE_NUM_CACHE_OPERANDS = 6 };
void attune_list_cache_operands(const attune_cache_view *view, attune_operand tensors[ATTUNE_NUM_CACHE_OPERANDS]);

#endif

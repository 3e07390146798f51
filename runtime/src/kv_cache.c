#include "kv_cache.h"

attune_cache_info attune_kernel_cache(const attune_kernel *kernel) {
    static const char *const layouts[] = {"contiguous", "ring", "paged"};
    if (!attune_kernel_describe(kernel))
        return (attune_cache_info){.dtype = "", .layout = ""};
    const attune_cache_format *f = &kernel->cache;
    return (attune_cache_info){.dtype = f->key_scales == 0          ? kernel->info.dtype
                                        : attune_has_groups(kernel) ? "i4"
                                                                    : "i8",
                               .layout = layouts[f->layout],
                               .page_size = f->page_size,
                               .key_elements = f->key_elements,
                               .value_elements = f->value_elements,
                               .key_scales = f->key_scales,
                               .value_scales = f->value_scales,
                               .has_zero_points = f->has_zero_points,
                               .has_rope = kernel->rope.frequencies != NULL};
}

static attune_cache_view view_of(const attune_kernel *kernel, const attune_kv_cache *cache, const void *key, const int64_t *stride_key,
                                 const void *value, const int64_t *stride_value) {
    const attune_cache_format *f = &kernel->cache;
    attune_cache_view view = {.kernel = kernel, .cache = attune_needs_cache(kernel) ? cache : NULL};
    view.key = (attune_cache_rows){"key", "key_scale", "key_zero", (uint8_t *)key, stride_key, f->key_elements, .scales = f->key_scales};
    view.value = (attune_cache_rows){
        "value", "value_scale", "value_zero", (uint8_t *)value, stride_value, f->value_elements, .scales = f->value_scales};
    if (view.cache) {
        view.key.scale = cache->key_scale;
        view.key.zero = cache->key_zero;
        view.key.stride_scale = cache->stride_key_scale;
        view.value.scale = cache->value_scale;
        view.value.zero = cache->value_zero;
        view.value.stride_scale = cache->stride_value_scale;
    }
    return view;
}

attune_cache_view attune_view_cache(const attune_kernel *kernel, const attune_attention_args *a) {
    attune_cache_view view = view_of(kernel, a->cache, a->key, a->stride_key, a->value, a->stride_value);
    view.batch = a->batch;
    view.num_kv_heads = a->num_kv_heads;
    view.seq_len_kv = a->seq_len_kv;
    view.cu_seqlens = a->cu_seqlens_kv;
    return view;
}

attune_cache_view attune_view_append_cache(const attune_kernel *kernel, const attune_append_args *a) {
    attune_cache_view view = view_of(kernel, a->cache, a->key, a->stride_key, a->value, a->stride_value);
    view.batch = a->batch;
    view.num_kv_heads = a->num_kv_heads;
    view.seq_len_kv = a->seq_len_kv;
    return view;
}

/// log2 of the page size, a power of two: divisions of 64 bits for each page took a third of a chunk's time with pages of 16.
static inline int page_shift(const attune_cache_view *view) {
    return __builtin_ctz((unsigned)view->kernel->cache.page_size);
}

attune_cache_place attune_find_place(const attune_cache_view *view, int64_t batch, int64_t kv) {
    const int64_t page_size = view->kernel->cache.page_size;
    switch (view->kernel->cache.layout) {
    case ATTUNE_LAYOUT_RING:
        return (attune_cache_place){batch, kv % view->seq_len_kv};
    case ATTUNE_LAYOUT_PAGED:
        return (attune_cache_place){view->cache->page_table[batch * view->cache->stride_page_table + (kv >> page_shift(view))],
                                    kv & (page_size - 1)};
    default:
        return view->cu_seqlens ? (attune_cache_place){0, view->cu_seqlens[batch] + kv} : (attune_cache_place){batch, kv};
    }
}

int64_t attune_even_rows(const attune_cache_view *view, int64_t kv, int64_t most) {
    const int64_t page_size = view->kernel->cache.page_size;
    switch (view->kernel->cache.layout) {
    case ATTUNE_LAYOUT_RING:
        return attune_min(most, view->seq_len_kv - kv % view->seq_len_kv);
    case ATTUNE_LAYOUT_PAGED:
        return attune_min(most, page_size - (kv & (page_size - 1)));
    default:
        return most;
    }
}

void attune_list_rows(const attune_cache_view *view, const attune_cache_rows *rows, int64_t batch, int64_t kv_head, int64_t first,
                      int64_t count, int64_t padded, int32_t *starts) {
    for (int64_t i = 0; i < count;) {
        const int64_t even = attune_even_rows(view, first + i, count - i);
        // Spans are below 2^31 elements (attune_check_shape).
        int32_t start = (int32_t)attune_place_offset(attune_find_place(view, batch, first + i), kv_head, rows->stride);
        for (int64_t end = i + even; i < end; i++, start += (int32_t)rows->stride[2])
            starts[i] = start;
    }
    for (int64_t i = count; i < padded; i++)
        starts[i] = starts[count - 1];
}

attune_runs attune_list_runs(const attune_cache_view *view, const attune_cache_rows *rows, int64_t batch, int64_t kv_head, int64_t first,
                             int64_t count, int32_t *starts) {
    if (rows->stride[2] != rows->elements) {
        attune_list_rows(view, rows, batch, kv_head, first, count, count, starts);
        return (attune_runs){count, 1, 1};
    }
    const int64_t first_run = attune_even_rows(view, first, count);
    for (int64_t i = 0; i < count; i += attune_even_rows(view, first + i, count - i))
        *starts++ = (int32_t)attune_place_offset(attune_find_place(view, batch, first + i), kv_head, rows->stride);
    return (attune_runs){count, first_run, attune_even_rows(view, first + first_run, count)};
}

attune_buffer *attune_scale_buffer(attune_slice *s, const attune_kernel *kernel, float *data, int64_t scales, int64_t count,
                                   int64_t stride) {
    if (attune_has_groups(kernel))
        attune_matrix(s, ATTUNE_TYPE_FLOAT, 32, data, scales, count);
    else
        attune_array(s, ATTUNE_TYPE_FLOAT, 32, data, count);
    // One key has no neighbour to step to, and its unused stride may be anything.
    s->dim[s->buffer.dimensions - 1].stride = (int32_t)(count > 1 ? stride : scales);
    return &s->buffer;
}

attune_buffer *attune_chunk_scales(attune_slice *s, const attune_cache_view *view, const attune_cache_rows *rows, const float *of,
                                   int64_t batch, int64_t kv_head, int64_t first, int64_t count, float *collected) {
    const int64_t scales = rows->scales, step = rows->stride_scale[2];
    float *data = collected;
    int64_t stride = scales;
    if (!attune_lists_rows(view->kernel) && (attune_has_groups(view->kernel) || step == 1 || count == 1)) {
        data = (float *)of + attune_place_offset(attune_find_place(view, batch, first), kv_head, rows->stride_scale);
        stride = step;
    } else {
        for (int64_t i = 0; i < count;) {
            const int64_t even = attune_even_rows(view, first + i, count - i);
            const float *from = of + attune_place_offset(attune_find_place(view, batch, first + i), kv_head, rows->stride_scale);
            for (int64_t end = i + even; i < end; i++, from += step)
                for (int64_t group = 0; group < scales; group++)
                    collected[i * scales + group] = from[group];
        }
    }
    return attune_scale_buffer(s, view->kernel, data, scales, count, stride);
}

static attune_operand rows_operand(const attune_cache_view *view, const char *name, const void *data, int64_t element_bytes,
                                   int64_t elements, const int64_t *stride) {
    const bool is_paged = view->kernel->cache.layout == ATTUNE_LAYOUT_PAGED;
    int64_t outer = is_paged ? view->cache->num_pages : view->cu_seqlens && view->batch > 0 ? 1 : view->batch;
    static const int64_t no_stride[3] = {0, 0, 0};
    if (elements == 0)
        outer = 0, stride = no_stride;
    return (attune_operand){
        name,   data, element_bytes, elements, {outer, view->num_kv_heads, is_paged ? view->kernel->cache.page_size : view->seq_len_kv},
        stride, false};
}

void attune_list_cache_operands(const attune_cache_view *view, attune_operand tensors[ATTUNE_NUM_CACHE_OPERANDS]) {
    const attune_cache_rows *const rows[] = {&view->key, &view->value};
    const int64_t bytes = view->kernel->cache.type_bits / 8;
    for (int i = 0; i < 2; i++) {
        const attune_cache_rows *r = rows[i];
        const int64_t scales = r->elements > 0 ? r->scales : 0;
        tensors[i] = rows_operand(view, r->name, r->data, bytes, r->elements, r->stride);
        tensors[2 + i] = rows_operand(view, r->scale_name, r->scale, sizeof(float), scales, r->stride_scale);
        tensors[4 + i] =
            rows_operand(view, r->zero_name, r->zero, sizeof(float), view->kernel->cache.has_zero_points ? scales : 0, r->stride_scale);
    }
}

/// Checks of attune_kernel_append: numbers first, then addresses.
#include "kv_cache.h"
#include "status.h"

#include <inttypes.h>

static attune_status check_struct(const attune_kernel *kernel, const attune_append_args *a) {
    if (!kernel->num_variants || !kernel->variants[0].append)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "kernel %s has no cache; generate one with phases decode", kernel->info.name);
    attune_status status = attune_check_args(a, "attune_append_args", sizeof *a, "ATTUNE_APPEND_ARGS_VERSION", ATTUNE_APPEND_ARGS_VERSION);
    if (status)
        return status;
    status = attune_check_exec(a->exec);
    if (!status && a->exec && a->exec->device)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "exec.device is given but append writes this machine's memory only; pass null");
    return status;
}

static attune_status check_counts(const attune_kernel *kernel, const attune_append_args *a) {
    const bool is_ring = kernel->cache.layout == ATTUNE_LAYOUT_RING;
    const attune_count counts[] = {{"batch", a->batch, 0, INT32_MAX},
                                   {"num_kv_heads", a->num_kv_heads, 1, INT32_MAX},
                                   {"num_new", a->num_new, 0, ATTUNE_LARGEST_LENGTH},
                                   {"seq_len_kv", a->seq_len_kv, is_ring ? 1 : 0, ATTUNE_LARGEST_LENGTH}};
    const attune_status status = attune_check_counts(counts, sizeof counts / sizeof *counts);
    if (status)
        return status;
    const int64_t limit = is_ring ? ATTUNE_LARGEST_LENGTH : a->seq_len_kv;
    for (int64_t b = 0; b < a->batch; b++) {
        const int64_t rows = a->lengths_new ? a->lengths_new[b] : a->num_new, before = a->lengths_kv ? a->lengths_kv[b] : 0;
        if (rows < 0 || rows > a->num_new)
            return attune_fail(ATTUNE_INVALID_ARGUMENT,
                               "lengths_new[%" PRId64 "] is %" PRId64 " but must be within 0 .. %" PRId64 ", which is num_new", b, rows,
                               a->num_new);
        if (before < 0)
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "lengths_kv[%" PRId64 "] is %" PRId64 " but must be at least 0", b, before);
        if (before + rows > limit)
            return attune_fail(ATTUNE_INVALID_ARGUMENT,
                               "sequence %" PRId64 " has %" PRId64 " keys and %" PRId64 " new ones but its cache holds %" PRId64
                               ", which is %s; use a longer cache",
                               b, before, rows, limit, is_ring ? "the longest sequence" : "seq_len_kv");
    }
    return attune_check_positions(kernel, a->positions, a->stride_positions);
}

/// Pages up to the last new row of each sequence.
static attune_status check_pages(const attune_cache_view *view, const attune_append_args *a) {
    for (int64_t b = 0; b < a->batch && view->kernel->cache.layout == ATTUNE_LAYOUT_PAGED; b++) {
        const int64_t rows = a->lengths_new ? a->lengths_new[b] : a->num_new, before = a->lengths_kv ? a->lengths_kv[b] : 0;
        const attune_status status =
            attune_check_pages(view, b, rows > 0 ? before / view->kernel->cache.page_size : 0, rows > 0 ? before + rows : 0);
        if (status)
            return status;
    }
    return ATTUNE_OK;
}

/// Bytes of one sequence or page of a tensor.
static uintptr_t slice_bytes(const attune_operand *t) {
    const __int128 elements = attune_operand_span(t) - (__int128)(t->extent[0] - 1) * t->stride[0];
    return (uintptr_t)elements * (uintptr_t)t->element_bytes;
}

/// Whether two tensors touch each other. A pool may have keys, values and scales of each page side by side: their spans then interleave, evenly.
static bool share_memory(const attune_operand *a, const attune_operand *b) {
    const attune_range whole_a = attune_operand_range(a), whole_b = attune_operand_range(b);
    if (!attune_overlap(whole_a, whole_b))
        return false;
    const uintptr_t period = (uintptr_t)a->stride[0] * (uintptr_t)a->element_bytes;
    if (period == 0 || period != (uintptr_t)b->stride[0] * (uintptr_t)b->element_bytes || a->extent[0] < 2 || b->extent[0] < 2)
        return true;
    const uintptr_t gap = whole_b.first >= whole_a.first ? (whole_b.first - whole_a.first) % period
                                                         : period - 1 - (whole_a.first - whole_b.first - 1) % period;
    return gap < slice_bytes(a) || gap + slice_bytes(b) > period;
}

attune_status attune_check_append(const attune_kernel *kernel, const attune_append_args *a) {
    attune_status status = check_struct(kernel, a);
    if (!status)
        status = check_counts(kernel, a);
    if (!status)
        status = attune_check_cache_struct(kernel, a->cache);
    if (status || a->batch == 0 || a->num_new == 0)
        return status;
    const attune_cache_view view = attune_view_append_cache(kernel, a);
    const int64_t bytes = kernel->type_bits / 8, heads = a->num_kv_heads;
    enum { num_inputs = 2, num_operands = num_inputs + ATTUNE_NUM_CACHE_OPERANDS };
    attune_operand tensors[num_operands] = {
        {"new_key", a->new_key, bytes, kernel->info.head_dim, {a->batch, heads, a->num_new}, a->stride_new_key, false},
        {"new_value",
         a->new_value,
         bytes,
         kernel->info.head_dim_v,
         {kernel->cache.value_elements ? a->batch : 0, heads, a->num_new},
         a->stride_new_value,
         false}};
    attune_list_cache_operands(&view, tensors + num_inputs);
    for (int i = 0; i < num_operands && !status; i++)
        status = attune_check_strides(&tensors[i], i >= num_inputs, false);
    for (int i = 0; i < num_operands && !status; i++)
        status = attune_check_pointer(&tensors[i]);
    for (int i = num_inputs; i < num_operands && !status; i++)
        for (int other = 0; other < i && !status; other++) {
            if (attune_operand_span(&tensors[i]) && attune_operand_span(&tensors[other]) && share_memory(&tensors[i], &tensors[other]))
                status = attune_fail(ATTUNE_INVALID_ARGUMENT, "%s overlaps %s but must be apart from it; give it memory of its own",
                                     tensors[i].name, tensors[other].name);
        }
    return status ? status : check_pages(&view, a);
}

/// Checks of <name>_params: what its tensors are, not what stands in them, except for the block lists.
#include "bound_params.h"
#include "status.h"
#include "validate.h"

#include <inttypes.h>

/// Positions of keys are below it: a ring's sequences are longer than the ring.
static int64_t most_keys(const attune_kernel *kernel, const attune_attention_args *a) {
    int64_t most = a->seq_len_kv;
    for (int64_t b = 0; kernel->cache.layout == ATTUNE_LAYOUT_RING && a->lengths_kv && b < a->batch; b++)
        most = a->lengths_kv[b] > most ? a->lengths_kv[b] : most;
    return most;
}

/// What a dimension of a tensor must hold: the extent of the call, or 1.
static attune_status check_extent(const attune_kernel *kernel, const attune_attention_args *a, const attune_param *param, int d,
                                  int64_t extent) {
    const struct {
        const char *name;
        int64_t value;
    } wanted[] = {
        [ATTUNE_DIM_B] = {"batch", a->batch},
        [ATTUNE_DIM_H] = {"num_heads", a->num_heads},
        [ATTUNE_DIM_HKV] = {"num_kv_heads", a->num_kv_heads},
        [ATTUNE_DIM_Q] = {"seq_len_q", a->seq_len_q},
        [ATTUNE_DIM_KV] = {a->lengths_kv && kernel->cache.layout == ATTUNE_LAYOUT_RING ? "the longest of lengths_kv" : "seq_len_kv",
                           most_keys(kernel, a)},
        [ATTUNE_DIM_EXTENT] = {"its declared extent", param->extent[d]}};
    const int kind = param->dim[d];
    if (extent < 1)
        return attune_fail(ATTUNE_SHAPE_MISMATCH, "params.%s.extent[%d] is %" PRId64 " but must be at least 1; %s is declared %s",
                           param->name, d, extent, param->name, param->declaration);
    if (extent > INT32_MAX)
        return attune_fail(ATTUNE_INDEX_RANGE, "params.%s.extent[%d] is %" PRId64 " but must be at most %d", param->name, d, extent,
                           INT32_MAX);
    if (kind == ATTUNE_DIM_FREE || (extent == 1 && kind != ATTUNE_DIM_EXTENT))
        return ATTUNE_OK;
    // Packed sequences: positions count inside a sequence, and none is longer than all together.
    const bool is_position = kind == ATTUNE_DIM_Q || kind == ATTUNE_DIM_KV;
    if (a->cu_seqlens_q && is_position)
        return ATTUNE_OK;
    // A longer table of positions serves every shorter sequence.
    if (extent == wanted[kind].value || (is_position && extent > wanted[kind].value))
        return ATTUNE_OK;
    return attune_fail(ATTUNE_SHAPE_MISMATCH,
                       "params.%s.extent[%d] is %" PRId64 " but must be %" PRId64 ", which is %s, %s; %s is declared %s", param->name, d,
                       extent, wanted[kind].value, wanted[kind].name,
                       kind == ATTUNE_DIM_EXTENT ? "as the kernel was generated for" : "or 1", param->name, param->declaration);
}

static attune_status check_tensor(const attune_kernel *kernel, const attune_attention_args *a, const attune_param *param,
                                  const attune_tensor *tensor) {
    attune_status status = ATTUNE_OK;
    for (int d = 0; d < param->dimensions && !status; d++)
        if (param->dim[d] != ATTUNE_DIM_ONE)
            status = check_extent(kernel, a, param, d, tensor->extent[d]);
    if (status)
        return status;
    for (int d = 0; d < param->dimensions; d++)
        if (param->dim[d] != ATTUNE_DIM_ONE && tensor->stride[d] < 0)
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "params.%s.stride[%d] is %" PRId64 " but must not be negative", param->name, d,
                               tensor->stride[d]);
    if (attune_tensor_span(param, tensor) > INT32_MAX)
        return attune_fail(ATTUNE_INDEX_RANGE, "params.%s spans more than %d elements; split the batch or the heads over several calls",
                           param->name, INT32_MAX);
    if (!tensor->data)
        return attune_fail(ATTUNE_NULL_POINTER, "params.%s.data is null; pass its first element (%s)", param->name, param->declaration);
    if (attune_has_addresses(a) && (uintptr_t)tensor->data % (uintptr_t)(param->type_bits / 8))
        return attune_fail(ATTUNE_MISALIGNED, "params.%s.data is at %p but must be aligned to its element, %d bytes", param->name,
                           tensor->data, param->type_bits / 8);
    return ATTUNE_OK;
}

#ifndef NDEBUG
/// Debug builds look at every element of an i32 array that promises to be nondecreasing along its last dimension.
static attune_status check_order(const attune_param *param, const attune_tensor *tensor) {
    int64_t strides[ATTUNE_MAX_PARAM_DIMS], extent[ATTUNE_MAX_PARAM_DIMS] = {1, 1, 1, 1}, rows = 1;
    const int last = param->dimensions - 1;
    attune_tensor_strides(param, tensor, strides);
    for (int d = 0; d <= last; d++)
        extent[d] = param->dim[d] == ATTUNE_DIM_ONE ? 1 : tensor->extent[d];
    for (int d = 0; d < last; d++)
        rows *= extent[d];
    for (int64_t row = 0; row < rows; row++) {
        const int32_t *element = tensor->data;
        int64_t rest = row;
        for (int d = last - 1; d >= 0; rest /= extent[d], d--)
            element += rest % extent[d] * (extent[d] > 1 ? strides[d] : 0);
        for (int64_t i = 1; i < extent[last]; i++)
            if (element[i * strides[last]] < element[(i - 1) * strides[last]])
                return attune_fail(ATTUNE_INVALID_ARGUMENT,
                                   "params.%s decreases at [%" PRId64 "] of row %" PRId64
                                   " but is declared %s; sort it, or drop the promise",
                                   param->name, i, row, param->declaration);
    }
    return ATTUNE_OK;
}
#endif

static attune_status check_block_mask(const attune_kernel *kernel, const attune_attention_args *a) {
    const attune_block_mask *mask = a->params;
    const int64_t size_q = kernel->block_size_q, size_kv = kernel->block_size_kv;
    if (!mask->row_offsets || !mask->columns)
        return attune_fail(ATTUNE_NULL_POINTER, "params.block_mask.%s is null; attune_list_blocks makes both lists",
                           mask->row_offsets ? "columns" : "row_offsets");
    if (mask->stride_batch < 0 || mask->stride_head < 0)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "params.block_mask.stride_%s must not be negative; 0 shares the lists",
                           mask->stride_batch < 0 ? "batch" : "head");
    const int32_t *const arrays[] = {mask->row_offsets, mask->columns};
    for (int i = 0; i < 2; i++)
        if (attune_has_addresses(a) && (uintptr_t)arrays[i] % sizeof(int32_t))
            return attune_fail(ATTUNE_MISALIGNED, "params.block_mask.%s is at %p but must be aligned to 4 bytes",
                               i == 0 ? "row_offsets" : "columns", (const void *)arrays[i]);
    if (attune_device_of(a))
        return ATTUNE_OK;  // what they list lies there
    const int32_t *cu_q = a->cu_seqlens_q, *cu_kv = a->cu_seqlens_kv;
    for (int64_t b = 0; b < (mask->stride_batch || cu_q ? a->batch : 1); b++)
        for (int64_t h = 0; h < (mask->stride_head ? a->num_heads : 1); h++) {
            const int32_t *offsets = mask->row_offsets + b * mask->stride_batch + h * mask->stride_head;
            const int64_t rows = ((cu_q ? cu_q[b + 1] - cu_q[b] : a->seq_len_q) + size_q - 1) / size_q;
            const int64_t columns = ((cu_kv ? cu_kv[b + 1] - cu_kv[b] : a->seq_len_kv) + size_kv - 1) / size_kv;
            for (int64_t row = 0; row < rows; row++) {
                if (offsets[row] < 0 || offsets[row + 1] < offsets[row])
                    return attune_fail(ATTUNE_INVALID_ARGUMENT,
                                       "params.block_mask.row_offsets of block row %" PRId64 " are %d and %d but must not decrease", row,
                                       offsets[row], offsets[row + 1]);
                for (int32_t i = offsets[row]; i < offsets[row + 1]; i++)
                    if (mask->columns[i] < 0 || mask->columns[i] >= columns ||
                        (i > offsets[row] && mask->columns[i] <= mask->columns[i - 1]))
                        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                                           "params.block_mask.columns[%d] is %d but must be below %" PRId64 " key blocks of %" PRId64
                                           " and above the entry before it in its row",
                                           i, mask->columns[i], columns, size_kv);
            }
        }
    return ATTUNE_OK;
}

bool attune_has_keys(const attune_param *param) {
    for (int d = 0; d < param->dimensions; d++)
        if (param->dim[d] == ATTUNE_DIM_KV)
            return true;
    return false;
}

attune_status attune_check_params(const attune_kernel *kernel, const attune_attention_args *a) {
    if (a->batch == 0 || a->seq_len_q == 0 || (a->seq_len_kv == 0 && !kernel->has_sink))
        return ATTUNE_OK;  // nothing is looked at
    attune_status status = ATTUNE_OK;
    for (uint32_t i = 0; i < kernel->num_params && !status; i++) {
        const attune_param *param = &kernel->params[i];
        const attune_tensor *tensor = (const attune_tensor *)((const uint8_t *)a->params + param->offset);
        if (a->seq_len_kv == 0 && attune_has_keys(param))
            continue;
        if (param->dimensions)
            status = check_tensor(kernel, a, param, tensor);
#ifndef NDEBUG
        if (!status && param->nondecreasing && !attune_device_of(a))
            status = check_order(param, tensor);
#endif
    }
    return !status && kernel->block_size_kv && a->seq_len_kv > 0 ? check_block_mask(kernel, a) : status;
}

#include "block_rows.h"

#include <math.h>
#include <string.h>

attune_buffer *attune_key_rows(attune_slice *s, const attune_call *call, const void *tensor, const int64_t stride[3], int64_t row_elements,
                               int64_t batch, int64_t kv_head, int64_t first, int64_t count) {
    first += attune_first_row(call, call->args->cu_seqlens_kv, batch);
    int64_t offset = (call->is_packed ? 0 : batch * stride[0]) + kv_head * stride[1] + first * stride[2];
    const attune_cache_format *f = &call->kernel->cache;
    attune_matrix(s, f->type_code, f->type_bits, (uint8_t *)tensor + offset * (f->type_bits / 8), row_elements, count);
    // One row has no neighbour to step to, and its unused stride may be anything.
    s->dim[1].stride = (int32_t)(count > 1 ? stride[2] : row_elements);
    return &s->buffer;
}

attune_buffer *attune_block_rows(attune_slice *s, const attune_call *call, const void *tensor, const int64_t stride[3],
                                 int64_t row_elements, attune_block at, int64_t first, int64_t positions) {
    int64_t offset = (call->is_packed ? 0 : at.batch * stride[0]) + at.head * stride[1] +
                     (attune_first_row(call, call->args->cu_seqlens_q, at.batch) + first) * stride[2];
    const attune_kernel *k = call->kernel;
    const int64_t fold = call->variant->fold;
    attune_matrix(s, k->type_code, k->type_bits, (uint8_t *)tensor + offset * (k->type_bits / 8), row_elements, fold);
    s->dim[1].stride = (int32_t)(fold > 1 ? stride[1] : row_elements);
    s->dim[2] = (attune_dimension){.extent = (int32_t)positions, .stride = (int32_t)(positions > 1 ? stride[2] : row_elements)};
    s->buffer.dimensions = 3;
    return &s->buffer;
}

/// Where row `row` of the block starts in output, and in lse: row r is position `begin` + r / fold of head at.head + r % fold.
static uint8_t *output_row(const attune_call *call, attune_block at, int64_t head, int64_t position) {
    const attune_attention_args *a = call->args;
    int64_t offset = (call->is_packed ? 0 : at.batch * a->stride_output[0]) + head * a->stride_output[1] +
                     (attune_first_row(call, a->cu_seqlens_q, at.batch) + position) * a->stride_output[2];
    return (uint8_t *)a->output + offset * (call->kernel->type_bits / 8);
}
static float *lse_row(const attune_call *call, attune_block at, int64_t head, int64_t position) {
    const attune_attention_args *a = call->args;
    return a->lse + (call->is_packed ? 0 : at.batch * a->stride_lse[0]) + head * a->stride_lse[1] +
           (attune_first_row(call, a->cu_seqlens_q, at.batch) + position) * a->stride_lse[2];
}

void attune_write_empty_rows(const attune_call *call, attune_block at, int64_t begin, int64_t end) {
    size_t bytes = (size_t)call->kernel->info.head_dim_v * (call->kernel->type_bits / 8);
    for (int64_t position = begin; position < end; position++)
        for (int64_t head = at.head; head < at.head + call->variant->fold; head++) {
            memset(output_row(call, at, head, position), 0, bytes);
            if (call->args->lse)
                *lse_row(call, at, head, position) = -INFINITY;
        }
}

void attune_store_lse(const attune_call *call, attune_block at, int64_t begin, int64_t rows, const float *lse) {
    const int64_t fold = call->variant->fold;
    for (int64_t i = 0; call->args->lse && i < rows; i++)
        *lse_row(call, at, at.head + i % fold, begin + i / fold) = lse[i];
}

attune_block_arguments attune_block_of_rows(const attune_call *call, attune_slot *slot, attune_block at, int64_t begin, int64_t positions) {
    return (attune_block_arguments){.scratch = &slot->scratch,
                                    .batch = (int32_t)at.batch,
                                    .head = (int32_t)at.head,
                                    .kv_head = (int32_t)(at.head / call->group),
                                    .q_begin = (int32_t)begin,
                                    .seq_len_q = (int32_t)attune_rows_used(call, at.batch),
                                    .seq_len_kv = (int32_t)attune_keys_used(call, at.batch),
                                    .num_positions = (int32_t)positions,
                                    .first_kept = (int32_t)attune_first_kept(call, at.batch)};
}

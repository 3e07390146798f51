#include "rows_task.h"

#include <math.h>
#include <string.h>

/// A buffer and its dimensions in one piece of stack, innermost first.
typedef struct slice {
    attune_buffer buffer;
    attune_dimension dim[2];
} slice;

enum { type_int = 0, type_float = 2 };

/// `count` elements without gaps.
static attune_buffer *row_array(slice *s, uint8_t type_code, void *data, int64_t count) {
    s->dim[0] = (attune_dimension){.extent = (int32_t)count, .stride = 1};
    s->buffer = (attune_buffer){.host = data, .type_code = type_code, .type_bits = 32, .type_lanes = 1, .dimensions = 1, .dim = s->dim};
    return &s->buffer;
}

/// Rows first .. first + count - 1 of one head of one sequence.
static attune_buffer *head_rows(slice *s, const attune_call *call, const void *tensor, const int64_t stride[3], int64_t row_elements,
                                int64_t batch, int64_t head, int64_t first, int64_t count) {
    int64_t offset = (call->is_packed ? 0 : batch * stride[0]) + head * stride[1] + first * stride[2];
    // One row has no neighbour to step to, and its unused stride may be anything.
    int32_t row_stride = (int32_t)(count > 1 ? stride[2] : row_elements);
    s->dim[0] = (attune_dimension){.extent = (int32_t)row_elements, .stride = 1};
    s->dim[1] = (attune_dimension){.extent = (int32_t)count, .stride = row_stride};
    const attune_kernel *k = call->kernel;
    s->buffer = (attune_buffer){.host = (uint8_t *)tensor + offset * (k->type_bits / 8),
                                .type_code = k->type_code,
                                .type_bits = k->type_bits,
                                .type_lanes = 1,
                                .dimensions = 2,
                                .dim = s->dim};
    return &s->buffer;
}

static attune_buffer *key_rows(slice *s, const attune_call *call, int64_t batch, int64_t kv_head) {
    const attune_attention_args *a = call->args;
    return head_rows(s, call, a->key, a->stride_key, call->kernel->info.head_dim, batch, kv_head,
                     attune_first_row(call, a->cu_seqlens_kv, batch), attune_keys_used(call, batch));
}

int attune_bound_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    int64_t batch = index / call->args->num_kv_heads, kv_head = index % call->args->num_kv_heads;
    int64_t keys = attune_keys_used(call, batch);
    if (keys == 0 || attune_rows_used(call, batch) == 0)
        return 0;
    slice key, bound;
    *stage = "key_bound";
    slot->scratch.used = 0;
    return call->variant->key_bound(&slot->scratch, key_rows(&key, call, batch, kv_head),
                                    row_array(&bound, type_float, attune_key_bounds(call, batch, kv_head), keys));
}

/// Where row `row` of a head starts in output, and in lse.
static uint8_t *output_row(const attune_call *call, attune_block at, int64_t row) {
    const attune_attention_args *a = call->args;
    int64_t offset = (call->is_packed ? 0 : at.batch * a->stride_output[0]) + at.head * a->stride_output[1] +
                     (attune_first_row(call, a->cu_seqlens_q, at.batch) + row) * a->stride_output[2];
    return (uint8_t *)a->output + offset * (call->kernel->type_bits / 8);
}
static float *lse_row(const attune_call *call, attune_block at, int64_t row) {
    const attune_attention_args *a = call->args;
    return a->lse + (call->is_packed ? 0 : at.batch * a->stride_lse[0]) + at.head * a->stride_lse[1] +
           (attune_first_row(call, a->cu_seqlens_q, at.batch) + row) * a->stride_lse[2];
}

/// Rows that see no key or are not in use: all bits zero is +0 in every type.
static void write_empty_rows(const attune_call *call, attune_block at, int64_t begin, int64_t end) {
    size_t bytes = (size_t)call->kernel->info.head_dim_v * (call->kernel->type_bits / 8);
    for (int64_t row = begin; row < end; row++) {
        memset(output_row(call, at, row), 0, bytes);
        if (call->args->lse)
            *lse_row(call, at, row) = -INFINITY;
    }
}

static int count_class(const int32_t *classes, int64_t rows, int32_t wanted) {
    int count = 0;
    for (int64_t i = 0; i < rows; i++)
        count += classes[i] == wanted;
    return count;
}

/// The block's rows begin .. begin + rows - 1 by the kernel, rows and keys >= 1.
static int run_kernel(const attune_call *call, attune_slot *slot, attune_block at, int64_t begin, int64_t rows, const char **stage) {
    const attune_attention_args *a = call->args;
    const attune_kernel_variant *v = call->variant;
    const attune_kernel_info *info = &call->kernel->info;
    int64_t kv_head = at.head / call->group, keys = attune_keys_used(call, at.batch);
    int32_t b = (int32_t)at.batch, h = (int32_t)at.head, hkv = (int32_t)kv_head, q_begin = (int32_t)begin;
    int32_t seq_len_q = (int32_t)attune_rows_used(call, at.batch), seq_len_kv = (int32_t)keys;
    int64_t first_q = attune_first_row(call, a->cu_seqlens_q, at.batch), first_kv = attune_first_row(call, a->cu_seqlens_kv, at.batch);

    slice s[8];
    attune_buffer *query = head_rows(&s[0], call, a->query, a->stride_query, info->head_dim, at.batch, at.head, first_q + begin, rows);
    attune_buffer *key = key_rows(&s[1], call, at.batch, kv_head);
    attune_buffer *value = head_rows(&s[2], call, a->value, a->stride_value, info->head_dim_v, at.batch, kv_head, first_kv, keys);
    attune_buffer *output = head_rows(&s[3], call, a->output, a->stride_output, info->head_dim_v, at.batch, at.head, first_q + begin, rows);
    attune_buffer *reference = row_array(&s[4], type_float, slot->reference, rows);
    attune_buffer *row_class = row_array(&s[5], type_int, slot->row_class, rows);
    attune_buffer *row_state = row_array(&s[6], type_int, slot->row_state, rows);
    // Kernels may assume that lse has stride 1, and always write it.
    attune_buffer *lse = row_array(&s[7], type_float, slot->lse, rows);

    if (!v->fixed) {
        for (int64_t i = 0; i < rows; i++) {
            slot->reference[i] = 0;
            slot->row_class[i] = ATTUNE_ROW_ONLINE;
        }
    } else {
        slice bound;
        *stage = "row_reference";
        slot->scratch.used = 0;
        int code = v->row_reference(&slot->scratch, b, h, hkv, q_begin, seq_len_q, seq_len_kv, query, key,
                                    row_array(&bound, type_float, attune_key_bounds(call, at.batch, kv_head), keys), reference, row_class);
        if (code)
            return code;
        if (count_class(slot->row_class, rows, ATTUNE_ROW_FIXED) > 0) {
            *stage = "fixed";
            slot->scratch.used = 0;
            code = v->fixed(&slot->scratch, b, h, hkv, q_begin, seq_len_q, seq_len_kv, query, key, value, reference, row_class, output, lse,
                            row_state);
            if (code)
                return code;
            // What is left to do is the class of the next stage; swapping keeps its input and its output apart.
            attune_buffer *left = row_state;
            row_state = row_class;
            row_class = left;
        }
    }
    if (count_class((const int32_t *)row_class->host, rows, ATTUNE_ROW_ONLINE) > 0) {
        *stage = "exact";
        slot->scratch.used = 0;
        int code = v->exact(&slot->scratch, b, h, hkv, q_begin, seq_len_q, seq_len_kv, query, key, value, reference, row_class, output, lse,
                            row_state);
        if (code)
            return code;
    }
    for (int64_t i = 0; a->lse && i < rows; i++)
        *lse_row(call, at, begin + i) = slot->lse[i];
    return 0;
}

int attune_rows_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    attune_block at = attune_find_block(call, index);
    int64_t held = attune_rows_held(call, at.batch);
    int64_t begin = at.block * call->variant->block_q, end = begin + call->variant->block_q;
    if (end > held)
        end = held;
    int64_t used_end = attune_keys_used(call, at.batch) == 0 ? begin : attune_rows_used(call, at.batch);
    if (used_end > end)
        used_end = end;
    if (used_end < begin)
        used_end = begin;

    int code = used_end > begin ? run_kernel(call, slot, at, begin, used_end - begin, stage) : 0;
    if (!code)
        write_empty_rows(call, at, used_end, end);
    return code;
}

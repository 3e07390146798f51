#include "rows_task.h"

#include "block_rows.h"
#include "visits.h"

#include <string.h>

static int find_norms(const attune_call *call, attune_slot *slot, int64_t batch, int64_t kv_head, int64_t first, int64_t keys,
                      const char **stage) {
    const attune_attention_args *a = call->args;
    attune_slice key, norms;
    *stage = "key_norms";
    slot->scratch.used = 0;
    attune_scratch *scratch = &slot->scratch;
    void *arguments[] = {&scratch,
                         attune_key_rows(&key, call, a->key, a->stride_key, call->kernel->info.head_dim, batch, kv_head, first, keys),
                         attune_array(&norms, ATTUNE_TYPE_FLOAT, 32, attune_key_norms(call, batch, kv_head) + first, keys)};
    return call->variant->key_norms(arguments);
}

int attune_norm_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    const attune_attention_args *a = call->args;
    const int64_t head = index / call->norm_blocks, first = index % call->norm_blocks * ATTUNE_NORM_BLOCK;
    const int64_t batch = head / a->num_kv_heads, keys = attune_keys_used(call, batch) - first;
    if (keys <= 0 || attune_rows_used(call, batch) == 0)
        return 0;
    return find_norms(call, slot, batch, head % a->num_kv_heads, first, attune_min(keys, ATTUNE_NORM_BLOCK), stage);
}

static bool has_class(const int32_t *classes, int64_t rows, int32_t wanted) {
    for (int64_t i = 0; i < rows; i++)
        if (classes[i] == wanted)
            return true;
    return false;
}

static attune_buffer *visit_buffer(attune_slice *s, const attune_call *call, attune_visit_list list) {
    return attune_matrix(s, ATTUNE_TYPE_INT, 32, list.entries, 1 + call->variant->strips, list.count);
}

/// The positions of a block that are in use, begin .. end - 1.
typedef struct positions {
    int64_t begin, end;
} positions;
static positions used_positions(const attune_call *call, attune_block at) {
    int64_t begin = at.block * call->variant->block_q, end = attune_min(begin + call->variant->block_q, attune_rows_held(call, at.batch));
    // Without keys a row's result is known, but for the lse of a sink.
    const bool is_empty = attune_keys_used(call, at.batch) == 0 && !call->kernel->has_sink;
    int64_t used = is_empty ? begin : attune_min(attune_rows_used(call, at.batch), end);
    return (positions){begin, used > begin ? used : begin};
}

/// Keys and values of the worker's next task, where it is of another head and they are few: 49 keys of head_dim 32 come cold from memory once
/// a task, and of 13 us took 2. Long ones are read over and over, and would drive this task's own out of the cache.
static void add_keys_ahead(const attune_call *call, attune_slot *slot, const void *tensor, const int64_t stride[3], int64_t row_elements,
                           attune_block next) {
    enum { most_bytes = 64 << 10 };
    const int64_t keys = attune_keys_used(call, next.batch);
    if (keys * row_elements * (call->kernel->type_bits / 8) > most_bytes)
        return;
    attune_slice s;
    attune_add_ahead(&slot->ahead, attune_key_rows(&s, call, tensor, stride, row_elements, next.batch, next.head / call->group, 0, keys));
}

/// Has the rows of the worker's next task asked for during the visits of this one.
static void plan_ahead(const attune_call *call, attune_slot *slot, attune_block at, int strips) {
    const attune_attention_args *a = call->args;
    attune_clear_ahead(&slot->ahead);
    slot->scratch.ahead = &slot->ahead;
    if (slot->next_task >= call->row_tasks)
        return;
    attune_block next = attune_find_block(call, slot->next_task);
    positions p = used_positions(call, next);
    attune_slice s;
    attune_add_ahead(&slot->ahead,
                     attune_block_rows(&s, call, a->query, a->stride_query, call->kernel->info.head_dim, next, p.begin, p.end - p.begin));
    attune_add_ahead(&slot->ahead, attune_block_rows(&s, call, a->output, a->stride_output, call->kernel->info.head_dim_v, next, p.begin,
                                                     p.end - p.begin));
    if (next.batch != at.batch || next.head / call->group != at.head / call->group) {
        add_keys_ahead(call, slot, a->key, a->stride_key, call->kernel->info.head_dim, next);
        add_keys_ahead(call, slot, a->value, a->stride_value, call->kernel->info.head_dim_v, next);
    }
    attune_spread_ahead(&slot->ahead, (slot->full.count + slot->partial.count * (1 + call->variant->asks)) * strips);
}

/// The block's positions begin .. begin + positions - 1 by the kernel, positions >= 1.
static int run_kernel(const attune_call *call, attune_slot *slot, attune_block at, int64_t begin, int64_t positions, const char **stage) {
    const attune_attention_args *a = call->args;
    const attune_kernel_variant *v = call->variant;
    const attune_kernel_info *info = &call->kernel->info;
    int64_t keys = attune_keys_used(call, at.batch), rows = positions * v->fold;
    attune_block_arguments block = attune_block_of_rows(call, slot, at, begin, positions);
    const int64_t kv_head = block.kv_head;
    attune_slice s[10], norms;
    attune_buffer *query = attune_block_rows(&s[0], call, a->query, a->stride_query, info->head_dim, at, begin, positions);
    int64_t num_chunks = 0;
    int code = keys > 0 ? attune_find_chunks(call, slot, &block, &num_chunks, stage) : 0;
    if (!code)
        code = attune_list_visits(call, slot, &block, num_chunks, v->fixed || v->exact_splits, stage);
    if (code)
        return code;
    plan_ahead(call, slot, at, attune_strips_used(call, positions));

    attune_buffer *key = attune_key_rows(&s[1], call, a->key, a->stride_key, info->head_dim, at.batch, kv_head, 0, keys);
    attune_buffer *value = attune_key_rows(&s[2], call, a->value, a->stride_value, info->head_dim_v, at.batch, kv_head, 0, keys);
    attune_buffer *output = attune_block_rows(&s[3], call, a->output, a->stride_output, info->head_dim_v, at, begin, positions);
    attune_buffer *reference = attune_array(&s[4], ATTUNE_TYPE_FLOAT, 32, slot->reference, rows);
    attune_buffer *row_class = attune_array(&s[5], ATTUNE_TYPE_INT, 32, slot->row_class, rows);
    attune_buffer *row_state = attune_array(&s[6], ATTUNE_TYPE_INT, 32, slot->row_state, rows);
    // Kernels may assume that lse has stride 1, and always write it.
    attune_buffer *lse = attune_array(&s[7], ATTUNE_TYPE_FLOAT, 32, slot->lse, rows);
    attune_buffer *full = visit_buffer(&s[8], call, slot->full), *partial = visit_buffer(&s[9], call, slot->partial);

    if (!v->fixed || keys == 0) {
        for (int64_t i = 0; i < rows; i++) {
            slot->reference[i] = 0;
            slot->row_class[i] = ATTUNE_ROW_ONLINE;
        }
    } else {
        if (call->norm_tasks == 0)
            code = find_norms(call, slot, at.batch, kv_head, 0, keys, stage);
        if (code)
            return code;
        *stage = "row_reference";
        void *of_reference[] = {
            full,      partial,  query, key, attune_array(&norms, ATTUNE_TYPE_FLOAT, 32, attune_key_norms(call, at.batch, kv_head), keys),
            reference, row_class};
        code = attune_run_task(call, v->row_reference, &block, of_reference, 7);
        if (code)
            return code;
        if (has_class(slot->row_class, rows, ATTUNE_ROW_FIXED)) {
            *stage = "fixed";
            void *of_fixed[] = {full, partial, query, key, value, reference, row_class, output, lse, row_state};
            code = attune_run_task(call, v->fixed, &block, of_fixed, 10);
            if (code)
                return code;
            // What is left to do is the class of the next stage; swapping keeps its input and its output apart.
            attune_buffer *left = row_state;
            row_state = row_class;
            row_class = left;
        }
    }
    if (has_class((const int32_t *)row_class->host, rows, ATTUNE_ROW_ONLINE)) {
        if (v->fixed && !v->exact_splits) {  // the lists are still those of `fixed`
            code = attune_list_visits(call, slot, &block, num_chunks, false, stage);
            if (code)
                return code;
            full = visit_buffer(&s[8], call, slot->full);
            partial = visit_buffer(&s[9], call, slot->partial);
        }
        *stage = "exact";
        void *of_exact[] = {full, partial, query, key, value, reference, row_class, output, lse, row_state};
        code = attune_run_task(call, v->exact, &block, of_exact, 10);
        if (code)
            return code;
    }
    attune_store_lse(call, at, begin, rows, slot->lse);
    if (a->pairs) {
        *stage = "pairs";
        attune_slice pairs;
        void *of_pairs[] = {query, key, lse, attune_block_rows(&pairs, call, a->pairs, a->stride_pairs, keys, at, begin, positions)};
        code = attune_run_task(call, v->pairs, &block, of_pairs, 4);
    }
    return code;
}

int attune_rows_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    attune_block at = attune_find_block(call, index);
    positions used = used_positions(call, at);
    int64_t end = attune_min(used.begin + call->variant->block_q, attune_rows_held(call, at.batch));
    int code = used.end > used.begin ? run_kernel(call, slot, at, used.begin, used.end - used.begin, stage) : 0;
    if (!code)
        attune_write_empty_rows(call, at, used.end, end);
    return code;
}

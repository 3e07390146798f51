#include "decode.h"

#include "block_rows.h"
#include "phase.h"
#include "status.h"
#include "visits.h"

#include <inttypes.h>
#include <string.h>

/// The chunks that the rows of a sequence and a head block visit.
typedef struct chunk_list {
    int32_t *count, *chunks;
    uint8_t *whole;  // all rows see all keys of the chunk
} chunk_list;

/// Keys of a task of split.
typedef struct chunk {
    attune_block at;
    attune_block_arguments block;
    int32_t first, count, masked;  // masked 0: all rows see all its keys
} chunk;

enum { list_header = 64 };  // bytes: the count, alone in its cache line; chunks and flags follow

/// Rows of a part: of several heads the kernel computes more than 2 in tiles of 4.
static int64_t padded_rows(const attune_call *call, int64_t rows) {
    return call->variant->fold == 1 || rows <= 2 ? rows : (rows + 3) / 4 * 4;
}

static int64_t most_rows(const attune_call *call) {
    if (!call->is_packed)
        return call->args->seq_len_q;
    int64_t most = 0;
    for (int64_t b = 0; b < call->args->batch; b++)
        most = attune_rows_held(call, b) > most ? attune_rows_held(call, b) : most;
    return most;
}

attune_status attune_check_decode_rows(const attune_call *call) {
    int64_t rows = most_rows(call);
    if (rows > call->variant->block_q)
        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                           "%s has %" PRId64 " rows but kernel %s is for decode, at most %d; use a kernel with phases prefill for more",
                           call->is_packed ? "a sequence" : "seq_len_q", rows, call->kernel->info.name, call->variant->block_q);
    return ATTUNE_OK;
}

bool attune_plan_decode(attune_call *call) {
    typedef unsigned __int128 wide;
    const wide limit = SIZE_MAX / 2, heads = (wide)call->args->batch * (wide)call->head_blocks, chunks = (wide)call->max_chunks;
    wide list = (list_header + chunks * 5 + 63) / 64 * 64;
    wide part = (wide)padded_rows(call, most_rows(call) * call->variant->fold) * (wide)call->variant->part_columns * sizeof(float);
    if (heads * chunks > INT64_MAX || heads * list > limit || heads * chunks > limit / part)
        return false;
    call->list_bytes = (size_t)list;
    call->part_bytes = (size_t)part;
    call->decode_bytes = (size_t)(heads * (list + chunks * part));
    call->head_tasks = (int64_t)heads;
    call->split_tasks = (int64_t)(heads * chunks);
    return true;
}

static chunk_list find_list(const attune_call *call, int64_t head_task) {
    uint8_t *at = (uint8_t *)call->args->workspace + call->norm_bytes + (size_t)head_task * call->list_bytes;
    int32_t *words = (int32_t *)(void *)at;
    return (chunk_list){words, words + list_header / 4, at + list_header + 4 * (size_t)call->max_chunks};
}

static float *find_part(const attune_call *call, int64_t head_task, int64_t part) {
    uint8_t *first = (uint8_t *)call->args->workspace + call->norm_bytes + (size_t)call->head_tasks * call->list_bytes;
    return (float *)(void *)(first + (size_t)(head_task * call->max_chunks + part) * call->part_bytes);
}

/// A sequence and the query heads of a key/value head, with the rows in use; false where there is nothing to compute.
static bool describe(const attune_call *call, attune_slot *slot, int64_t head_task, attune_block *at, attune_block_arguments *block) {
    *at = (attune_block){head_task / call->head_blocks, head_task % call->head_blocks * call->variant->fold, 0};
    *block = attune_block_of_rows(call, slot, *at, 0, attune_rows_used(call, at->batch));
    return block->num_positions > 0 && block->seq_len_kv > 0;
}

/// Chunks of a sequence and head; the mask is asked once for them all.
static int list_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    attune_block at;
    attune_block_arguments block;
    chunk_list list = find_list(call, index);
    int64_t count = 0;
    if (describe(call, slot, index, &at, &block)) {
        int code = attune_find_chunks(call, slot, &block, &count, stage);
        if (code)
            return code;
    }
    for (int64_t i = 0; i < count; i++) {
        list.chunks[i] = slot->chunks[i];
        list.whole[i] = attune_chunk_is_whole(slot, i);
    }
    *list.count = (int32_t)count;
    return 0;
}

/// Chunk i of a head task, of which block tells the rest; false where there is none.
static bool find_chunk(const attune_call *call, attune_slot *slot, int64_t split_task, chunk *found) {
    const int64_t head_task = split_task / call->max_chunks, i = split_task % call->max_chunks;
    const chunk_list list = find_list(call, head_task);
    if (split_task >= call->split_tasks || i >= *list.count)
        return false;
    describe(call, slot, head_task, &found->at, &found->block);
    found->first = list.chunks[i] * call->variant->block_kv;
    found->count = (int32_t)attune_min(call->variant->block_kv, found->block.seq_len_kv - found->first);
    found->masked = !list.whole[i];
    return true;
}

static void add_ahead(const attune_call *call, attune_slot *slot, const chunk *c, const void *tensor, const int64_t stride[3],
                      int64_t row_elements) {
    attune_slice s;
    attune_buffer *rows = attune_key_rows(&s, call, tensor, stride, row_elements, c->at.batch, c->block.kv_head, c->first, c->count);
    s.dim[2] = s.dim[1];
    s.dim[1] = (attune_dimension){.extent = 1};
    attune_add_ahead(&slot->ahead, rows);
}

/// While keys are read, this chunk's values are asked for, then the next one's keys. Both a whole chunk ahead would not fit into a second-level cache
/// of 1 MB (f16: 2.5 ms instead of 2.3).
static void plan_ahead(const attune_call *call, attune_slot *slot, const chunk *c) {
    const attune_attention_args *a = call->args;
    attune_clear_ahead(&slot->ahead);
    slot->scratch.ahead = &slot->ahead;
    if (!call->variant->split_asks)
        return;
    add_ahead(call, slot, c, a->value, a->stride_value, call->kernel->info.head_dim_v);
    chunk next;
    if (find_chunk(call, slot, slot->next_task, &next))
        add_ahead(call, slot, &next, a->key, a->stride_key, call->kernel->info.head_dim);
    attune_spread_ahead(&slot->ahead, call->variant->split_asks);
}

static int split_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    const attune_attention_args *a = call->args;
    const attune_kernel_info *info = &call->kernel->info;
    chunk c;
    if (!find_chunk(call, slot, index, &c))
        return 0;
    const int64_t batch = c.at.batch, kv_head = c.block.kv_head, keys = c.block.seq_len_kv;
    attune_slice s[4];
    void *others[] = {&c.first,
                      &c.masked,
                      attune_block_rows(&s[0], call, a->query, a->stride_query, info->head_dim, c.at, 0, c.block.num_positions),
                      attune_key_rows(&s[1], call, a->key, a->stride_key, info->head_dim, batch, kv_head, 0, keys),
                      attune_key_rows(&s[2], call, a->value, a->stride_value, info->head_dim_v, batch, kv_head, 0, keys),
                      attune_matrix(&s[3], ATTUNE_TYPE_FLOAT, 32, find_part(call, index / call->max_chunks, index % call->max_chunks),
                                    call->variant->part_columns, padded_rows(call, (int64_t)c.block.num_positions * call->variant->fold))};
    plan_ahead(call, slot, &c);
    *stage = "split";
    return attune_run_task(call, call->variant->split, &c.block, others, 6);
}

static int combine_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    const attune_attention_args *a = call->args;
    attune_block at;
    attune_block_arguments block;
    const bool has_keys = describe(call, slot, index, &at, &block);
    int64_t used = has_keys || call->kernel->has_sink ? block.num_positions : 0, rows = block.num_positions * (int64_t)call->variant->fold;
    if (used > 0) {
        attune_slice s[3];
        attune_buffer *parts =
            attune_matrix(&s[0], ATTUNE_TYPE_FLOAT, 32, find_part(call, index, 0), call->variant->part_columns, padded_rows(call, rows));
        s[0].dim[2] = (attune_dimension){.extent = *find_list(call, index).count, .stride = (int32_t)(call->part_bytes / sizeof(float))};
        s[0].buffer.dimensions = 3;
        void *others[] = {parts, attune_block_rows(&s[1], call, a->output, a->stride_output, call->kernel->info.head_dim_v, at, 0, used),
                          attune_array(&s[2], ATTUNE_TYPE_FLOAT, 32, slot->lse, rows)};
        *stage = "combine";
        int code = attune_run_task(call, call->variant->combine, &block, others, 3);
        if (code)
            return code;
        attune_store_lse(call, at, 0, rows, slot->lse);
    }
    attune_write_empty_rows(call, at, used, attune_rows_held(call, at.batch));
    return 0;
}

attune_status attune_run_decode(const attune_call *call) {
    attune_status status = attune_run_phase(call, call->head_tasks, list_task);
    if (!status)
        status = attune_run_phase(call, call->split_tasks, split_task);
    if (!status)
        status = attune_run_phase(call, call->head_tasks, combine_task);
    return status;
}

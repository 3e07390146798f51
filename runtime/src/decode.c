#include "decode.h"

#include "block_rows.h"
#include "kv_cache.h"
#include "phase.h"
#include "rope.h"
#include "status.h"
#include "visits.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/// The chunks that the rows of a sequence and a head block visit, and the keys of each that are computed.
typedef struct chunk_list {
    int32_t *count, *first_keys, *num_keys;
    uint8_t *whole;  // all rows see all keys of the chunk
} chunk_list;

/// Keys of a task of split.
typedef struct chunk {
    attune_block at;
    attune_block_arguments block;
    int32_t first, count, masked;  // masked 0: all rows see all its keys, and it is whole
} chunk;

enum { list_header = 64 };  // bytes: the count, alone in its cache line; keys and flags follow
enum { bytes_of_chunk = 9 };

static int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

/// Rows of a part: of several heads the kernel computes more than 2 in tiles.
static int64_t padded_rows(const attune_call *call, int64_t rows) {
    return call->variant->fold == 1 || rows <= 2 ? rows : round_up(rows, ATTUNE_SPLIT_TILE_ROWS);
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
    wide list = (list_header + chunks * bytes_of_chunk + 63) / 64 * 64;
    wide part = (wide)padded_rows(call, most_rows(call) * call->variant->fold) * (wide)call->variant->part_columns * sizeof(float);
    if (heads * chunks > INT64_MAX || heads * list > limit || heads * chunks > limit / part)
        return false;
    if (call->kernel->rope.frequencies) {
        const wide rotations = (wide)(call->is_packed ? 1 : call->args->batch) * (wide)call->args->seq_len_q;
        if (rotations > limit / (8 * (wide)call->kernel->info.head_dim))
            return false;
        call->rotation_bytes = (size_t)(rotations * 8 * (wide)call->kernel->info.head_dim + 63) / 64 * 64;
    }
    call->list_bytes = (size_t)list;
    call->part_bytes = (size_t)part;
    call->decode_bytes = call->rotation_bytes + (size_t)(heads * (list + chunks * part));
    call->head_tasks = (int64_t)heads;
    call->split_tasks = (int64_t)(heads * chunks);
    return true;
}

void attune_plan_decode_slot(attune_call *call) {
    const attune_cache_format *f = &call->kernel->cache;
    const size_t keys = (size_t)call->variant->block_kv,
                 scales = (size_t)(f->key_scales > f->value_scales ? f->key_scales : f->value_scales);
    if (!call->variant->split)
        return;
    call->start_bytes = attune_lists_rows(call->kernel) ? keys * sizeof(int32_t) : 0;
    call->scale_bytes = keys * scales * sizeof(float);
}

static uint8_t *after_rotations(const attune_call *call) {
    return (uint8_t *)call->args->workspace + call->norm_bytes + call->rotation_bytes;
}

static chunk_list find_list(const attune_call *call, int64_t head_task) {
    uint8_t *at = after_rotations(call) + (size_t)head_task * call->list_bytes;
    int32_t *words = (int32_t *)(void *)at;
    int32_t *first_keys = words + list_header / 4, *num_keys = first_keys + call->max_chunks;
    return (chunk_list){words, first_keys, num_keys, (uint8_t *)(num_keys + call->max_chunks)};
}

static float *find_part(const attune_call *call, int64_t head_task, int64_t part) {
    uint8_t *first = after_rotations(call) + (size_t)call->head_tasks * call->list_bytes;
    return (float *)(void *)(first + (size_t)(head_task * call->max_chunks + part) * call->part_bytes);
}

/// What position `position` of a sequence is turned by.
static float *find_rotation(const attune_call *call, int64_t batch, int64_t position) {
    const int64_t row = (call->is_packed ? call->args->cu_seqlens_q[batch] : batch * call->args->seq_len_q) + position;
    float *all = (float *)(void *)((uint8_t *)call->args->workspace + call->norm_bytes);
    return all + row * 2 * call->kernel->info.head_dim;
}

static int rotation_task(const attune_call *call, attune_slot *slot, int64_t batch, const char **stage) {
    const attune_attention_args *a = call->args;
    const int64_t rows = attune_rows_used(call, batch), first = attune_keys_used(call, batch) - rows;
    const int32_t *given = a->positions;
    if (given)
        given += call->is_packed ? a->cu_seqlens_q[batch] : batch * a->stride_positions;
    for (int64_t i = 0; i < rows; i++)
        attune_fill_rotation(&call->kernel->rope, call->kernel->info.head_dim, given ? given[i] : first + i, find_rotation(call, batch, i));
    (void)slot, (void)stage;
    return 0;
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
    if (count > 0) {
        int code = attune_trim_chunks(call, slot, &block, count, list.first_keys, list.num_keys, stage);
        if (code)
            return code;
    }
    for (int64_t i = 0; i < count; i++)
        list.whole[i] = attune_chunk_is_whole(slot, i);
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
    found->first = list.first_keys[i];
    found->count = list.num_keys[i];
    found->masked = !list.whole[i];
    return true;
}

static void add_ahead(const attune_call *call, attune_slot *slot, const attune_cache_view *view, const attune_cache_rows *rows,
                      const chunk *c, int32_t *starts) {
    const int64_t bytes = view->kernel->cache.type_bits / 8;
    if (attune_lists_rows(call->kernel)) {
        const attune_runs runs = attune_list_runs(view, rows, c->at.batch, c->block.kv_head, c->first, c->count, starts);
        attune_add_ahead_listed(&slot->ahead, rows->data, starts, bytes, rows->elements * bytes, runs);
        return;
    }
    attune_slice s;
    attune_add_ahead(&slot->ahead, attune_key_rows(&s, call, rows->data, rows->stride, rows->elements, c->at.batch, c->block.kv_head,
                                                   c->first, c->count));
}

/// What computes the rows of a chunk, and how often it asks ahead.
typedef struct split_function {
    attune_task_fn compute;
    int32_t asks;
} split_function;

static split_function choose_split(const attune_kernel_variant *v, int64_t rows) {
    const bool few = !v->split_rows || rows <= ATTUNE_SPLIT_FEW_ROWS;
    const int32_t strips = (int32_t)((rows + ATTUNE_SPLIT_STRIP_ROWS - 1) / ATTUNE_SPLIT_STRIP_ROWS);
    // Each tile of rows asks. Two rows of four heads on one, 8192 keys, AVX-512: f32 3.8 ms where the first alone is counted, 2.9 so; f16 2.55 and 2.35.
    const int32_t tiles = v->split_rows ? (int32_t)((rows + ATTUNE_SPLIT_TILE_ROWS - 1) / ATTUNE_SPLIT_TILE_ROWS) : 1;
    return few ? (split_function){v->split, v->asks * tiles} : (split_function){v->split_rows, v->split_rows_asks * strips};
}

/// While keys are read, this chunk's values are asked for, then the next one's keys. Both a whole chunk ahead would not fit into a second-level cache
/// of 1 MB (f16: 2.5 ms instead of 2.3).
static void plan_ahead(const attune_call *call, attune_slot *slot, const attune_cache_view *view, const chunk *c, int32_t asks) {
    attune_clear_ahead(&slot->ahead);
    slot->scratch.ahead = &slot->ahead;
    if (!asks)
        return;
    if (view->value.elements)
        add_ahead(call, slot, view, &view->value, c, slot->rows_ahead + call->variant->block_kv);
    chunk next;
    if (find_chunk(call, slot, slot->next_task, &next))
        add_ahead(call, slot, view, &view->key, &next, slot->rows_ahead);
    attune_spread_ahead(&slot->ahead, asks);
}

/// The arguments of a task of split, and what they point to.
typedef struct split_arguments {
    void *all[16];
    int count;
    attune_slice slices[12];
    int num_slices;
} split_arguments;

static attune_slice *next_slice(split_arguments *to) {
    return &to->slices[to->num_slices++];
}

/// Keys, values, where their rows start, scales and zero points of a chunk.
static void add_cache(split_arguments *to, const attune_call *call, attune_slot *slot, const attune_cache_view *view, const chunk *c) {
    const attune_cache_rows *const tensors[] = {&view->key, &view->value};
    const attune_cache_format *f = &call->kernel->cache;
    const int num_tensors = view->value.elements ? 2 : 1;
    int32_t *starts[] = {slot->key_rows, slot->value_rows};
    const int64_t batch = c->at.batch, kv_head = c->block.kv_head;
    const int64_t padded = attune_min(round_up(c->count, ATTUNE_SPLIT_KEY_STEP), call->variant->block_kv);
    for (int i = 0; i < num_tensors; i++) {
        const attune_cache_rows *rows = tensors[i];
        attune_slice *s = next_slice(to);
        if (!attune_lists_rows(call->kernel)) {
            to->all[to->count++] =
                attune_key_rows(s, call, rows->data, rows->stride, rows->elements, batch, kv_head, 0, c->block.seq_len_kv);
            continue;
        }
        to->all[to->count++] = attune_matrix(s, f->type_code, f->type_bits, rows->data, rows->elements, INT32_MAX);
        s->dim[1].stride = 1;
        // Two pools of one shape have one list.
        if (i > 0 && memcmp(view->key.stride, view->value.stride, 3 * sizeof(int64_t)) == 0)
            starts[i] = starts[0];
        else
            attune_list_rows(view, rows, batch, kv_head, c->first, c->count, padded, starts[i]);
    }
    for (int i = 0; i < num_tensors && attune_lists_rows(call->kernel); i++)
        to->all[to->count++] = attune_array(next_slice(to), ATTUNE_TYPE_INT, 32, starts[i], padded);
    for (int zero = 0; zero <= f->has_zero_points && f->key_scales; zero++)
        for (int i = 0; i < num_tensors; i++) {
            float *collected = slot->scales + (size_t)(2 * zero + i) * (call->scale_bytes / sizeof(float));
            to->all[to->count++] = attune_chunk_scales(next_slice(to), view, tensors[i], zero ? tensors[i]->zero : tensors[i]->scale, batch,
                                                       kv_head, c->first, c->count, collected);
        }
}

/// The kernel has no sums of a row, as values are not finite: the last of its columns, what its weights are relative to, is a NaN.
static bool is_lost(const attune_call *call, const float *part, int64_t rows) {
    for (int64_t row = 0; row < rows; row++)
        if (isnan(part[(row + 1) * call->variant->part_columns - 1]))
            return true;
    return false;
}

static int split_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    const attune_attention_args *a = call->args;
    const attune_kernel_info *info = &call->kernel->info;
    chunk c;
    if (!find_chunk(call, slot, index, &c))
        return 0;
    const attune_cache_view view = attune_view_cache(call->kernel, a);
    split_arguments to = {.all = {&c.first, &c.count, &c.masked}, .count = 3};
    to.all[to.count++] =
        attune_block_rows(next_slice(&to), call, a->query, a->stride_query, info->head_dim, c.at, 0, c.block.num_positions);
    if (call->kernel->rope.frequencies)
        to.all[to.count++] =
            attune_rotation_buffer(next_slice(&to), find_rotation(call, c.at.batch, 0), info->head_dim, c.block.num_positions);
    add_cache(&to, call, slot, &view, &c);
    float *const part = find_part(call, index / call->max_chunks, index % call->max_chunks);
    const int64_t used = (int64_t)c.block.num_positions * call->variant->fold, rows = padded_rows(call, used);
    const split_function split = choose_split(call->variant, used);
    to.all[to.count++] = attune_matrix(next_slice(&to), ATTUNE_TYPE_FLOAT, 32, part, call->variant->part_columns, rows);
    plan_ahead(call, slot, &view, &c, split.asks);
    *stage = "split";
    const int code = attune_run_task(call, split.compute, &c.block, to.all, to.count);
    if (code || c.masked || !is_lost(call, part, rows))
        return code;
    c.masked = 1;
    return attune_run_task(call, split.compute, &c.block, to.all, to.count);
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
    const bool turns = call->kernel->rope.frequencies;
    attune_status status = turns ? attune_run_phase(call, call->args->batch, rotation_task) : ATTUNE_OK;
    if (!status)
        status = attune_run_phase(call, call->head_tasks, list_task);
    if (!status)
        status = attune_run_phase(call, call->split_tasks, split_task);
    if (!status)
        status = attune_run_phase(call, call->head_tasks, combine_task);
    return status;
}

#include "linear.h"

#include "block_rows.h"
#include "phase.h"

#include <string.h>

enum { cache_line = 64 };

static size_t whole_lines(int64_t bytes) {
    return (size_t)((bytes + cache_line - 1) / cache_line * cache_line);
}

int64_t attune_linear_tasks(const attune_call *call) {
    return call->args->batch * call->args->num_kv_heads;
}

void attune_plan_linear_slot(attune_call *call) {
    const attune_kernel_variant *v = call->variant;
    const attune_kernel_info *info = &call->kernel->info;
    if (!v->linear_read)
        return;
    call->outer_bytes = whole_lines((int64_t)v->state_columns * v->state_rows * (int64_t)sizeof(float));
    call->key_sum_bytes = whole_lines(v->state_rows * (int64_t)sizeof(float));
    call->change_bytes = whole_lines(v->state_columns * (int64_t)sizeof(float));
    call->no_key_bytes = whole_lines((int64_t)sizeof(float) * (info->head_dim > info->head_dim_v ? info->head_dim : info->head_dim_v));
}

/// A key/value head of a sequence, and some of its query heads.
typedef struct head {
    const attune_call *call;
    attune_slot *slot;
    const char **stage;
    int64_t kv_head;
    attune_block at;
    int64_t rows, keys;      ///< in use
    float *state, *key_sum;  ///< the running ones
} head;

static bool has_past(const attune_call *call) {
    const attune_linear_state *s = call->args->state;
    return s && s->past;
}

/// The caller's arrays of a key/value head.
static int64_t outer_at(const head *h) {
    const attune_kernel_info *info = &h->call->kernel->info;
    return (h->at.batch * h->call->args->num_kv_heads + h->kv_head) * info->head_dim * info->head_dim_v;
}
static int64_t key_sum_at(const head *h) {
    return (h->at.batch * h->call->args->num_kv_heads + h->kv_head) * h->call->kernel->info.head_dim;
}

/// The state before the first key, in the slot: columns and rows that pad it are never read into a result.
static void load_state(const head *h) {
    const attune_linear_state *s = h->call->args->state;
    const attune_kernel_info *info = &h->call->kernel->info;
    const size_t columns = (size_t)h->call->variant->state_columns;
    memset(h->state, 0, h->call->outer_bytes);
    memset(h->key_sum, 0, h->call->key_sum_bytes);
    if (!has_past(h->call))
        return;
    for (int64_t d = 0; d < info->head_dim; d++)
        memcpy(h->state + (size_t)d * columns, s->past + outer_at(h) + d * info->head_dim_v, (size_t)info->head_dim_v * sizeof(float));
    if (h->call->kernel->state == ATTUNE_STATE_OUTER_AND_KEY_SUM)
        memcpy(h->key_sum, s->past_key_sum + key_sum_at(h), (size_t)info->head_dim * sizeof(float));
}

static void store_state(const head *h) {
    const attune_linear_state *s = h->call->args->state;
    const attune_kernel_info *info = &h->call->kernel->info;
    const size_t columns = (size_t)h->call->variant->state_columns;
    if (!s || !s->present)
        return;
    for (int64_t d = 0; d < info->head_dim; d++)
        memcpy(s->present + outer_at(h) + d * info->head_dim_v, h->state + (size_t)d * columns, (size_t)info->head_dim_v * sizeof(float));
    if (h->call->kernel->state == ATTUNE_STATE_OUTER_AND_KEY_SUM)
        memcpy(s->present_key_sum + key_sum_at(h), h->key_sum, (size_t)info->head_dim * sizeof(float));
}

/// `count` keys or values from `first` on; without keys a row of zeros, as functions want one.
static attune_buffer *chunk_rows(const head *h, attune_slice *s, const void *tensor, const int64_t stride[3], int64_t elements,
                                 int64_t first, int64_t count) {
    const attune_cache_format *f = &h->call->kernel->cache;
    if (count == 0)
        return attune_matrix(s, f->type_code, f->type_bits, h->slot->no_key, elements, 1);
    return attune_key_rows(s, h->call, tensor, stride, elements, h->at.batch, h->kv_head, first, count);
}

typedef struct chunk_arguments {
    int32_t first_key, num_keys;
    attune_slice key, value, state, key_sum, change, query, output;
    void *all[9];
    int count;
} chunk_arguments;

static void add_keys(chunk_arguments *to, int64_t first, int64_t count) {
    to->first_key = (int32_t)first, to->num_keys = (int32_t)count;
    to->count = 0;
    to->all[to->count++] = &to->first_key;
    to->all[to->count++] = &to->num_keys;
}

static void add_state(const head *h, chunk_arguments *to) {
    const attune_kernel_variant *v = h->call->variant;
    to->all[to->count++] = attune_matrix(&to->state, ATTUNE_TYPE_FLOAT, 32, h->state, v->state_columns, v->state_rows);
    if (h->call->kernel->state == ATTUNE_STATE_OUTER_AND_KEY_SUM)
        to->all[to->count++] = attune_array(&to->key_sum, ATTUNE_TYPE_FLOAT, 32, h->key_sum, v->state_rows);
}

/// Has the next chunk's rows asked for while this one computes: at head_dim 64 memory would else take a tenth of the time.
static void plan_ahead(const head *h, int64_t row, int64_t first_key, int64_t num_keys) {
    const attune_attention_args *a = h->call->args;
    const attune_kernel_info *info = &h->call->kernel->info;
    attune_ahead *ahead = &h->slot->ahead;
    attune_clear_ahead(ahead);
    h->slot->scratch.ahead = ahead;
    attune_slice s;
    const int64_t rows = attune_min(h->call->variant->block_q, h->rows - row), keys = attune_min(num_keys, h->keys - first_key);
    if (rows > 0) {
        attune_add_ahead(ahead, attune_block_rows(&s, h->call, a->query, a->stride_query, info->head_dim, h->at, row, rows));
        attune_add_ahead(ahead, attune_block_rows(&s, h->call, a->output, a->stride_output, info->head_dim_v, h->at, row, rows));
    }
    if (keys > 0) {
        attune_add_ahead(ahead,
                         attune_key_rows(&s, h->call, a->key, a->stride_key, info->head_dim, h->at.batch, h->kv_head, first_key, keys));
        attune_add_ahead(
            ahead, attune_key_rows(&s, h->call, a->value, a->stride_value, info->head_dim_v, h->at.batch, h->kv_head, first_key, keys));
    }
    attune_spread_ahead(ahead, h->call->variant->asks);
}

/// Output of `positions` rows from `row` on, whose own keys are first_key .. first_key + num_keys - 1.
static int read_chunk(const head *h, int64_t row, int64_t positions, int64_t first_key, int64_t num_keys) {
    const attune_attention_args *a = h->call->args;
    const attune_kernel_info *info = &h->call->kernel->info;
    chunk_arguments to;
    add_keys(&to, first_key, num_keys);
    to.all[to.count++] = attune_block_rows(&to.query, h->call, a->query, a->stride_query, info->head_dim, h->at, row, positions);
    to.all[to.count++] = chunk_rows(h, &to.key, a->key, a->stride_key, info->head_dim, first_key, num_keys);
    to.all[to.count++] = chunk_rows(h, &to.value, a->value, a->stride_value, info->head_dim_v, first_key, num_keys);
    add_state(h, &to);
    to.all[to.count++] = attune_block_rows(&to.output, h->call, a->output, a->stride_output, info->head_dim_v, h->at, row, positions);
    if (h->call->variant->corrects_state)
        to.all[to.count++] = attune_matrix(&to.change, ATTUNE_TYPE_FLOAT, 32, h->slot->change, h->call->variant->state_columns, 1);
    attune_block_arguments block = attune_block_of_rows(h->call, h->slot, h->at, row, positions);
    if (h->call->variant->asks)
        plan_ahead(h, row + positions, first_key + num_keys, num_keys);
    *h->stage = "linear_read";
    return attune_run_task(h->call, h->call->variant->linear_read, &block, to.all, to.count);
}

/// Adds keys to the state; with the delta rule the change that the last read_chunk found for its key.
static int update_chunk(const head *h, int64_t first_key, int64_t num_keys) {
    const attune_attention_args *a = h->call->args;
    const attune_kernel_info *info = &h->call->kernel->info;
    chunk_arguments to;
    add_keys(&to, first_key, num_keys);
    to.all[to.count++] = chunk_rows(h, &to.key, a->key, a->stride_key, info->head_dim, first_key, num_keys);
    if (h->call->variant->corrects_state)
        to.all[to.count++] = attune_matrix(&to.change, ATTUNE_TYPE_FLOAT, 32, h->slot->change, h->call->variant->state_columns, 1);
    else
        to.all[to.count++] = chunk_rows(h, &to.value, a->value, a->stride_value, info->head_dim_v, first_key, num_keys);
    add_state(h, &to);
    attune_block_arguments block = attune_block_of_rows(h->call, h->slot, h->at, 0, 1);
    *h->stage = "linear_update";
    return attune_run_task(h->call, h->call->variant->linear_update, &block, to.all, to.count);
}

/// Keys first .. end - 1, of which no row of this call is the own one.
static int add_keys_before(const head *h, int64_t first, int64_t end) {
    const int64_t chunk = h->call->variant->block_kv;
    int code = 0;
    for (int64_t key = first; key < end && !code; key += chunk) {
        const int64_t count = attune_min(chunk, end - key);
        if (h->call->variant->corrects_state)
            code = read_chunk(h, 0, 0, key, count);  // for its change alone
        if (!code)
            code = update_chunk(h, key, count);
    }
    return code;
}

/// Rows first .. end - 1, which see the state and nothing else.
static int read_rows(const head *h, int64_t first, int64_t end) {
    const int64_t chunk = h->call->variant->block_q;
    int code = 0;
    for (int64_t row = first; row < end && !code; row += chunk)
        code = read_chunk(h, row, attune_min(chunk, end - row), 0, 0);
    return code;
}

static int read_and_add(const head *h, int64_t first_row, int64_t first_key) {
    const int64_t chunk = h->call->variant->block_q;
    int code = 0;
    for (int64_t row = first_row; row < h->rows && !code; row += chunk) {
        const int64_t count = attune_min(chunk, h->rows - row), key = first_key + (row - first_row);
        code = read_chunk(h, row, count, key, count);
        if (!code)
            code = update_chunk(h, key, count);
    }
    return code;
}

/// Row i of a causal sequence has its own key at i + keys - rows.
static int run_head(const head *h) {
    const bool is_causal = h->call->is_causal, sees_past = has_past(h->call);
    const int64_t before = is_causal ? (h->keys > h->rows ? h->keys - h->rows : 0) : h->keys;
    const int64_t keyless = is_causal && h->rows > h->keys ? h->rows - h->keys : 0;  // rows before the first key
    int code = add_keys_before(h, 0, before);
    if (code)
        return code;
    const int64_t empty = sees_past ? 0 : is_causal ? keyless : h->keys == 0 ? h->rows : 0;
    attune_write_empty_rows(h->call, h->at, 0, empty);
    if (!is_causal)
        return read_rows(h, empty, h->rows);
    code = read_rows(h, empty, keyless);
    return code ? code : read_and_add(h, keyless, before);
}

static int linear_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage) {
    const int64_t heads = call->group, fold = call->variant->fold;
    head h = {.call = call,
              .slot = slot,
              .stage = stage,
              .kv_head = index % call->args->num_kv_heads,
              .at = {.batch = index / call->args->num_kv_heads},
              .state = slot->state,
              .key_sum = slot->key_sum};
    h.rows = attune_rows_used(call, h.at.batch);
    h.keys = attune_keys_used(call, h.at.batch);
    memset(slot->no_key, 0, call->no_key_bytes);
    int code = 0;
    // Heads that do not fold go over the keys anew, each from the same past: the last one's state is the present one, which may be the past's memory.
    for (int64_t i = 0; i < heads && !code; i += fold) {
        h.at.head = h.kv_head * heads + i;
        load_state(&h);
        code = run_head(&h);
        attune_write_empty_rows(call, h.at, h.rows, attune_rows_held(call, h.at.batch));
    }
    if (!code)
        store_state(&h);
    return code;
}

attune_status attune_run_linear(const attune_call *call) {
    return attune_run_phase(call, attune_linear_tasks(call), linear_task);
}

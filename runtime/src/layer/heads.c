/// Between projections and attention: heads of queries and keys normed, and turned by their tokens' positions.
#include "arguments.h"
#include "element.h"
#include "float_mode.h"
#include "layer.h"
#include "parallel.h"
#include "rope.h"
#include "status.h"
#include "threads.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum {
    largest_head_dim = 1024,  // the generator's limit
    rows_of_task = 16
};

/// Rows of heads: queries, or keys.
typedef struct heads_view {
    uint8_t *data;
    int64_t rows, stride[3];  // of a sequence; (batch, head, sequence)
    int32_t heads;
    const float *norm;  // null: none
} heads_view;

typedef struct finish {
    const attune_layer *layer;
    const attune_layer_args *args;
    const attune_element *element;
    heads_view views[2];
    int64_t blocks[2], tasks;  // of each view, of both
    int32_t workers;
    atomic_llong next, done;
} finish;

static void norm_row(float *row, const float *norm, int32_t count, double epsilon) {
    float sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += row[i] * row[i];
    const float scale = (float)(1 / sqrt((double)sum / count + epsilon));
    for (int32_t i = 0; i < count; i++)
        row[i] *= scale * norm[i];
}

static void turn_row(float *row, const attune_rope *rope, const float *rotation, int32_t head_dim) {
    const float *cosine = rotation, *sine = rotation + head_dim;
    const int32_t step = rope->interleaved ? 2 : 1, apart = rope->interleaved ? 1 : rope->pairs;
    for (int32_t i = 0; i < rope->pairs; i++) {
        const int32_t first = i * step, second = first + apart;
        const float x = row[first], y = row[second];
        row[first] = x * cosine[first] + y * sine[first];
        row[second] = y * cosine[second] + x * sine[second];
    }
}

/// All heads of a token.
static void finish_token(const finish *f, const heads_view *view, int64_t batch, int64_t token) {
    const int32_t dim = f->layer->attention->info.head_dim;
    const attune_rope *rope = &f->layer->rope;
    float rotation[2 * largest_head_dim], row[largest_head_dim];
    if (rope->frequencies)
        attune_fill_rotation(rope, dim, f->args->positions ? f->args->positions[batch * f->args->stride_positions + token] : token,
                             rotation);
    for (int32_t head = 0; head < view->heads; head++) {
        uint8_t *at = view->data + (batch * view->stride[0] + head * view->stride[1] + token * view->stride[2]) * f->element->bytes;
        memset(row, 0, sizeof(float) * (size_t)dim);
        f->element->add(row, 1, at, dim);
        if (view->norm)
            norm_row(row, view->norm, dim, f->layer->norm_epsilon);
        if (rope->frequencies)
            turn_row(row, rope, rotation, dim);
        f->element->store(at, row, dim);
    }
}

static void run_worker(void *data, int32_t index) {
    finish *f = data;
    if (index < 0 || index >= f->workers)
        return;
    const attune_float_mode callers_mode = attune_enter_float_mode();
    int64_t task;
    while ((task = atomic_fetch_add(&f->next, 1)) < f->tasks) {
        const int which = task >= f->args->batch * f->blocks[0];
        const heads_view *view = &f->views[which];
        const int64_t block = task - (which ? f->args->batch * f->blocks[0] : 0), batch = block / f->blocks[which];
        const int64_t begin = block % f->blocks[which] * rows_of_task, end = attune_min(begin + rows_of_task, view->rows);
        for (int64_t token = begin; token < end; token++)
            finish_token(f, view, batch, token);
        atomic_fetch_add(&f->done, 1);
    }
    attune_leave_float_mode(callers_mode);
}

static heads_view view_of(const void *data, const int64_t stride[3], int64_t rows, int32_t heads, const float *norm) {
    return (heads_view){(uint8_t *)data, rows, {stride[0], stride[1], stride[2]}, heads, norm};
}

attune_status attune_finish_heads(const attune_layer *layer, const attune_layer_args *args, const attune_layer_call *call,
                                  const float *norms) {
    const attune_attention_args *a = &call->attention;
    finish f = {.layer = layer, .args = args, .element = attune_find_element(layer->token_projection->dtype)};
    const int32_t dim = layer->attention->info.head_dim;
    f.views[0] = view_of(a->query, a->stride_query, a->seq_len_q, layer->heads, layer->norm_epsilon ? norms : NULL);
    f.views[1] = view_of(a->key, a->stride_key, a->seq_len_kv, layer->kv_heads, layer->norm_epsilon ? norms + dim : NULL);
    for (int i = 0; i < 2; i++) {
        f.blocks[i] = (f.views[i].rows + rows_of_task - 1) / rows_of_task;
        f.tasks += args->batch * f.blocks[i];
    }
    const attune_exec *exec = args->exec;
    const int64_t threads = exec && exec->num_threads > 0 ? exec->num_threads : attune_num_threads();
    f.workers = (int32_t)attune_min(attune_min(threads, ATTUNE_MAX_THREADS), f.tasks);
    const attune_parallel_for parallel_for = exec && exec->parallel_for ? exec->parallel_for : attune_pool_parallel_for;
    int code = 0;
    if (f.workers <= 1)
        run_worker(&f, 0);
    else
        code = parallel_for(exec ? exec->parallel_context : NULL, f.workers, run_worker, &f);
    if (code || atomic_load(&f.done) != f.tasks)
        return attune_fail(ATTUNE_INTERNAL, "parallel_for returned %d but must return 0 after running its %d bodies", code, f.workers);
    return ATTUNE_OK;
}

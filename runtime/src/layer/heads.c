/// Between projections and attention: heads of queries and keys normed, and turned by their tokens' positions.
#include "arguments.h"
#include "element.h"
#include "layer.h"
#include "rope.h"
#include "tasks.h"
#include "threads.h"

#include <math.h>
#include <string.h>

enum { rows_of_task = 16 };

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
    int64_t blocks[2];  // of each view
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
    float rotation[2 * ATTUNE_LARGEST_HEAD_DIM], row[ATTUNE_LARGEST_HEAD_DIM];
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

static int run_task(void *data, int32_t worker, int64_t task) {
    (void)worker;
    const finish *f = data;
    const int64_t of_queries = f->args->batch * f->blocks[0];
    const int which = task >= of_queries;
    const heads_view *view = &f->views[which];
    const int64_t block = task - (which ? of_queries : 0), batch = block / f->blocks[which];
    const int64_t begin = block % f->blocks[which] * rows_of_task, end = attune_min(begin + rows_of_task, view->rows);
    for (int64_t token = begin; token < end; token++)
        finish_token(f, view, batch, token);
    return 0;
}

static heads_view view_of(const void *data, const int64_t stride[3], int64_t rows, int32_t heads, const float *norm) {
    return (heads_view){(uint8_t *)data, rows, {stride[0], stride[1], stride[2]}, heads, norm};
}

attune_status attune_finish_heads(const attune_layer *layer, const attune_layer_args *args, const attune_layer_call *call) {
    const attune_attention_args *a = &call->attention;
    finish f = {.layer = layer, .args = args, .element = attune_find_element(layer->token_projection->dtype)};
    const float *norms = layer->norm_epsilon ? call->norms : NULL;
    f.views[0] = view_of(a->query, a->stride_query, a->seq_len_q, layer->heads, norms);
    f.views[1] = view_of(a->key, a->stride_key, a->seq_len_kv, layer->kv_heads, norms ? norms + layer->attention->info.head_dim : NULL);
    attune_tasks tasks = {.run = run_task, .data = &f};
    for (int i = 0; i < 2; i++) {
        f.blocks[i] = (f.views[i].rows + rows_of_task - 1) / rows_of_task;
        tasks.count += args->batch * f.blocks[i];
    }
    tasks.workers = (int32_t)attune_min(attune_threads_of(args->exec), tasks.count);
    int failed_code;  // no task does
    return attune_run_tasks(&tasks, args->exec, &failed_code);
}

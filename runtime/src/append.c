/// New rows into a cache: a few evenly spaced ones a call of generated code, on the callers' threads.
#include "dispatch.h"
#include "float_mode.h"
#include "kv_cache.h"
#include "parallel.h"
#include "rope.h"
#include "status.h"
#include "threads.h"

#include <stdatomic.h>

enum {
    rows_of_task = 64  // of a sequence, all heads of each, which are turned alike
};

typedef struct append {
    const attune_kernel *kernel;
    const attune_kernel_variant *variant;
    const attune_append_args *args;
    attune_cache_view view;
    int64_t row_blocks, tasks;  // of a sequence, of all
    int32_t workers;
    atomic_int done, failed_code;
} append;

static attune_buffer *new_rows(attune_slice *s, const attune_kernel *k, const void *rows, const int64_t stride[3], int64_t elements,
                               int64_t batch, int64_t head, int64_t row, int64_t count) {
    const int64_t offset = batch * stride[0] + head * stride[1] + row * stride[2];
    attune_matrix(s, k->type_code, k->type_bits, (uint8_t *)rows + offset * (k->type_bits / 8), elements, count);
    s->dim[1].stride = (int32_t)(count > 1 ? stride[2] : elements);
    return &s->buffer;
}

/// `count` rows from key kv on, evenly spaced, of one head.
static int append_some(const append *p, int64_t batch, int64_t head, int64_t row, int64_t kv, int64_t count, float *rotation) {
    const attune_append_args *a = p->args;
    const attune_kernel *k = p->kernel;
    const attune_cache_format *f = &k->cache;
    const int32_t head_dim = k->info.head_dim;
    const int num_tensors = f->value_elements ? 2 : 1;
    const attune_cache_rows *const tensors[] = {&p->view.key, &p->view.value};
    const attune_cache_place place = attune_find_place(&p->view, batch, kv);
    attune_scratch scratch = {0}, *no_scratch = &scratch;
    attune_slice slices[12], *s = slices;
    void *arguments[16];
    int n = 0;
    arguments[n++] = &no_scratch;
    arguments[n++] = new_rows(s++, k, a->new_key, a->stride_new_key, head_dim, batch, head, row, count);
    if (num_tensors > 1)
        arguments[n++] = new_rows(s++, k, a->new_value, a->stride_new_value, k->info.head_dim_v, batch, head, row, count);
    if (k->rope.frequencies)
        arguments[n++] = attune_rotation_buffer(s++, rotation, head_dim, count);
    for (int i = 0; i < num_tensors; i++, s++) {
        const attune_cache_rows *to = tensors[i];
        arguments[n++] = attune_matrix(s, f->type_code, f->type_bits,
                                       to->data + attune_place_offset(place, head, to->stride) * (f->type_bits / 8), to->elements, count);
        s->dim[1].stride = (int32_t)(count > 1 ? to->stride[2] : to->elements);
    }
    for (int zero = 0; zero <= f->has_zero_points && f->key_scales; zero++)
        for (int i = 0; i < num_tensors; i++, s++) {
            const attune_cache_rows *to = tensors[i];
            float *data = (zero ? to->zero : to->scale) + attune_place_offset(place, head, to->stride_scale);
            arguments[n++] = attune_scale_buffer(s, k, data, to->scales, count, to->stride_scale[2]);
        }
    return p->variant->append(arguments);
}

/// Rows begin .. begin + rows_of_task - 1 of a sequence, as far as there are any.
static int append_block(const append *p, int64_t batch, int64_t begin) {
    const attune_append_args *a = p->args;
    const attune_rope *rope = &p->kernel->rope;
    const int32_t head_dim = p->kernel->info.head_dim;
    const int64_t rows = a->lengths_new ? a->lengths_new[batch] : a->num_new, first = a->lengths_kv ? a->lengths_kv[batch] : 0;
    // Of more rows than a ring has slots, the last ones stay.
    const int64_t first_kept = p->kernel->cache.layout == ATTUNE_LAYOUT_RING && rows > a->seq_len_kv ? rows - a->seq_len_kv : 0;
    const int64_t end = attune_min(begin + rows_of_task, rows);
    float rotation[ATTUNE_APPEND_ROWS * 2 * ATTUNE_LARGEST_HEAD_DIM];
    for (int64_t row = begin > first_kept ? begin : first_kept, count; row < end; row += count) {
        count = attune_even_rows(&p->view, first + row, attune_min(ATTUNE_APPEND_ROWS, end - row));
        for (int64_t i = 0; rope->frequencies && i < count; i++)
            attune_fill_rotation(rope, head_dim, a->positions ? a->positions[batch * a->stride_positions + row + i] : first + row + i,
                                 rotation + i * 2 * head_dim);
        for (int64_t head = 0; head < a->num_kv_heads; head++) {
            const int code = append_some(p, batch, head, row, first + row, count, rotation);
            if (code)
                return code;
        }
    }
    return 0;
}

static void run_worker(void *data, int32_t index) {
    append *p = data;
    attune_float_mode callers_mode = attune_enter_float_mode();
    for (int64_t task = index; index >= 0 && task < p->tasks; task += p->workers) {
        const int code = append_block(p, task / p->row_blocks, task % p->row_blocks * rows_of_task);
        if (code)
            atomic_store(&p->failed_code, code);
    }
    atomic_fetch_add(&p->done, 1);
    attune_leave_float_mode(callers_mode);
}

attune_status attune_kernel_append(const attune_kernel *kernel, const attune_append_args *args) {
    append p = {.kernel = kernel, .args = args};
    attune_status status = attune_check_kernel(kernel);
    if (!status)
        status = attune_check_append(kernel, args);
    if (!status)
        status = attune_choose_target(kernel, &p.variant);  // all its schedules write a cache alike
    if (status)
        return status;
    p.view = attune_view_append_cache(kernel, args);
    p.row_blocks = (args->num_new + rows_of_task - 1) / rows_of_task;
    p.tasks = args->batch * p.row_blocks;
    if (p.tasks == 0)
        return ATTUNE_OK;
    const attune_exec *exec = args->exec;
    // A thread that wakes for less takes longer than the rows do: a step of decode, of a few sequences, stays on the caller's.
    const int64_t useful = args->batch * args->num_new / rows_of_task + 1;
    p.workers = (int32_t)attune_min(attune_min(attune_threads_of(exec), useful), p.tasks);
    if (p.workers <= 1) {
        p.workers = 1;
        run_worker(&p, 0);
    } else {
        const attune_parallel_for parallel_for = exec && exec->parallel_for ? exec->parallel_for : attune_pool_parallel_for;
        const int code = parallel_for(exec ? exec->parallel_context : NULL, p.workers, run_worker, &p);
        if (code || atomic_load(&p.done) != p.workers)
            return attune_fail(ATTUNE_INTERNAL, "parallel_for returned %d but must return 0 after running its %d bodies", code, p.workers);
    }
    const int code = atomic_load(&p.failed_code);
    return code ? attune_fail(ATTUNE_INTERNAL, "kernel %s (%s) failed in its append function with code %d; please report it",
                              kernel->info.name, p.variant->target, code)
                : ATTUNE_OK;
}

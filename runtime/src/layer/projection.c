/// A projection's call: check, plan, tasks.
#include "projection.h"
#include "arguments.h"
#include "choose.h"
#include "status.h"
#include "tasks.h"
#include "threads.h"

#include <stdbool.h>
#include <stddef.h>

static int64_t divide_up(int64_t n, int64_t by) {
    return n / by + (n % by != 0);
}

static attune_status check_table(const attune_projection *projection) {
    if (!projection)
        return attune_fail(ATTUNE_NULL_POINTER, "projection is null; pass <name>_kernel of a generated one");
    if (projection->abi != ATTUNE_LAYER_ABI)
        return attune_fail(ATTUNE_STRUCT_SIZE, "projection abi is %u but this runtime has %d; generate it with the attune of this runtime",
                           projection->abi, ATTUNE_LAYER_ABI);
    if (!projection->num_variants || !projection->variants || projection->type_bits < 8 || projection->in_features < 1 ||
        projection->out_features < 1)
        return attune_fail(ATTUNE_INTERNAL, "projection %s has a damaged table; generate it again", projection->name);
    return ATTUNE_OK;
}

static bool is_well_formed(const attune_projection *p, const attune_projection_variant *v) {
    return v->project && v->panel > 0 && v->tile_rows > 0 && v->block_rows > 0 && v->block_columns > 0 &&
           v->block_columns % v->panel == 0 && v->block_inputs > 0 && v->step_inputs > 0 && v->block_inputs % v->step_inputs == 0 &&
           (int64_t)v->chunks * v->block_inputs >= p->in_features && (int64_t)(v->chunks - 1) * v->block_inputs < p->in_features &&
           v->scratch_bytes >= 0;
}

attune_status attune_choose_projection(const attune_projection *projection, const attune_projection_variant **variant) {
    attune_status status = check_table(projection);
    if (status)
        return status;
    // `chosen` is the runtime's own word in a table that is otherwise constant.
    const attune_projection_variant **chosen = (const attune_projection_variant **)&projection->chosen;
    *variant = __atomic_load_n(chosen, __ATOMIC_ACQUIRE);
    if (*variant)
        return ATTUNE_OK;
    const attune_variants variants = {projection->name, projection->variants, projection->num_variants, sizeof *projection->variants,
                                      offsetof(attune_projection_variant, features)};
    const void *row;
    if ((status = attune_choose_row(&variants, &row)))
        return status;
    *variant = row;
    if (!is_well_formed(projection, *variant))
        return attune_fail(ATTUNE_INTERNAL, "projection %s has a damaged table for %s; generate it again", projection->name,
                           (*variant)->target);
    const attune_projection_variant *expected = NULL;
    if (__atomic_compare_exchange_n(chosen, &expected, *variant, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        attune_tell_choice(&variants, (*variant)->target);
    else
        *variant = expected;  // another thread was first
    return ATTUNE_OK;
}

const char *attune_projection_target(const attune_projection *projection) {
    const attune_projection_variant *variant;
    return attune_choose_projection(projection, &variant) ? NULL : variant->target;
}

attune_status attune_plan_projection(const attune_projection *projection, const attune_projection_args *args,
                                     attune_projection_call *call) {
    *call = (attune_projection_call){.projection = projection, .args = args};
    attune_status status = attune_choose_projection(projection, &call->variant);
    if (!status)
        status = attune_check_projection_shape(projection, args);
    if (status || args->batch == 0 || args->rows == 0)
        return status;  // without rows there is no work, and no workspace
    const attune_projection_variant *v = call->variant;
    call->input = attune_view_rows(args->batch, args->rows, projection->in_features, args->stride_input);
    call->output = attune_view_rows(args->batch, args->rows, projection->out_features, args->stride_output);
    attune_rows_view *const views[] = {&call->input, &call->output};
    bool is_even = args->batch * args->rows <= INT32_MAX;
    for (int i = 0; i < 2; i++)
        is_even = is_even && (args->batch == 1 || views[i]->stride[0] == args->rows * views[i]->stride[1]);
    for (int i = 0; i < 2 && is_even; i++)
        *views[i] = (attune_rows_view){1, args->batch * args->rows, {0, views[i]->stride[1]}};

    const int64_t threads = attune_threads_of(args->exec);
    // Blocks of like size, in whole tiles, rather than a short last one.
    const int64_t rows = call->input.rows, panels = divide_up(projection->out_features, v->panel);
    const int64_t row_blocks = divide_up(rows, v->block_rows), row_tasks = call->input.batch * row_blocks;
    // Few tasks are split by outputs until each thread has as many: that changes no bit. (384 to 1152 has 3, of which one of two threads did 2.)
    int64_t column_blocks = divide_up(panels, v->block_columns / v->panel);
    if (row_tasks * column_blocks < 4 * threads)
        column_blocks = attune_min(panels, divide_up(divide_up(row_tasks * column_blocks, threads) * threads, row_tasks));
    call->rows_of_block = attune_min(divide_up(divide_up(rows, row_blocks), v->tile_rows) * v->tile_rows, v->block_rows);
    call->row_blocks = divide_up(rows, call->rows_of_block);
    call->outputs_of_block = divide_up(panels, column_blocks) * v->panel;
    call->column_blocks = divide_up(projection->out_features, call->outputs_of_block);
    call->num_tasks = call->input.batch * call->row_blocks * call->column_blocks;
    call->num_workers = (int32_t)attune_min(threads, call->num_tasks);
    call->slot_bytes = ((size_t)v->scratch_bytes + 63) / 64 * 64;
    call->workspace_bytes = call->slot_bytes * (size_t)call->num_workers;
    return ATTUNE_OK;
}

/// Neighbouring tasks have the same weights, which are then still in the cache.
static int run_task(void *data, int32_t worker, int64_t task) {
    const attune_projection_call *call = data;
    attune_scratch own = {.base = (uint8_t *)call->args->workspace + (size_t)worker * call->slot_bytes, .size = call->slot_bytes};
    attune_scratch *scratch = &own;
    const attune_projection *p = call->projection;
    const attune_projection_variant *v = call->variant;
    const int64_t row_tasks = call->input.batch * call->row_blocks;
    const int64_t first_output = task / row_tasks * call->outputs_of_block, batch = task % row_tasks / call->row_blocks;
    const int64_t first_row = task % call->row_blocks * call->rows_of_block;
    const int64_t rows = attune_min(call->rows_of_block, call->input.rows - first_row);
    const int64_t outputs = attune_min(call->outputs_of_block, p->out_features - first_output), bytes = p->type_bits / 8;
    const int64_t piece_bytes = (int64_t)v->panel * v->block_inputs * bytes, panels = divide_up(outputs, v->panel);
    const int64_t steps = v->block_inputs / v->step_inputs, piece_steps = v->panel * steps;

    attune_slice input, weights, bias, output;
    const uint8_t *x = (const uint8_t *)call->args->input + (batch * call->input.stride[0] + first_row * call->input.stride[1]) * bytes;
    uint8_t *y =
        (uint8_t *)call->args->output + (batch * call->output.stride[0] + first_row * call->output.stride[1] + first_output) * bytes;
    const uint8_t *packed = call->args->weights;
    attune_matrix(&input, p->type_code, p->type_bits, (void *)x, p->in_features, rows);
    input.dim[1].stride = (int32_t)call->input.stride[1];
    const bool is_single = v->step_inputs == 1;
    attune_matrix(&weights, is_single ? p->type_code : ATTUNE_TYPE_UINT, (uint8_t)(p->type_bits * v->step_inputs),
                  (void *)(packed + first_output / v->panel * piece_bytes), v->panel, steps);
    weights.dim[2] = (attune_dimension){.extent = (int32_t)panels, .stride = (int32_t)piece_steps};
    weights.dim[3] = (attune_dimension){.extent = v->chunks, .stride = (int32_t)(piece_steps * divide_up(p->out_features, v->panel))};
    weights.buffer.dimensions = 4;
    attune_array(&bias, ATTUNE_TYPE_FLOAT, 32, (void *)(packed + attune_panel_bytes(p, v) + first_output * (int64_t)sizeof(float)),
                 outputs);
    attune_matrix(&output, p->type_code, p->type_bits, y, outputs, rows);
    output.dim[1].stride = (int32_t)call->output.stride[1];

    void *arguments[5];
    int n = 0;
    arguments[n++] = &scratch;
    arguments[n++] = &input.buffer;
    arguments[n++] = &weights.buffer;
    if (p->has_bias)
        arguments[n++] = &bias.buffer;
    arguments[n++] = &output.buffer;
    return (rows == 1 && v->project_row ? v->project_row : v->project)(arguments);
}

static attune_status run_tasks(attune_projection_call *call) {
    const attune_tasks tasks = {call->num_tasks, call->num_workers, run_task, call};
    int failed_code;
    const attune_status status = attune_run_tasks(&tasks, call->args->exec, &failed_code);
    return failed_code ? attune_fail(ATTUNE_INTERNAL, "projection %s (%s) failed with code %d; please report it", call->projection->name,
                                     call->variant->target, failed_code)
                       : status;
}

size_t attune_projection_workspace_size(const attune_projection *projection, const attune_projection_args *args) {
    attune_projection_call call;
    return attune_plan_projection(projection, args, &call) ? 0 : call.workspace_bytes;
}

attune_status attune_projection_run(const attune_projection *projection, const attune_projection_args *args) {
    attune_projection_call call;
    attune_status status = attune_plan_projection(projection, args, &call);
    if (!status)
        status = attune_check_projection_memory(&call);
    return status || call.num_tasks == 0 ? status : run_tasks(&call);
}

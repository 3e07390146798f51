/// Checks of projections: numbers first, then addresses.
#include "projection.h"
#include "status.h"
#include "validate.h"

#include <inttypes.h>

enum { packed_alignment = 64 };

attune_rows_view attune_view_rows(int64_t batch, int64_t rows, int64_t features, const int64_t stride[2]) {
    attune_rows_view view = {batch, rows, {stride[0], stride[1]}};
    if (!stride[0] && !stride[1]) {
        view.stride[1] = features;
        view.stride[0] = rows * features;
    }
    return view;
}

static attune_operand operand(const char *name, const void *data, const attune_projection *p, int64_t features,
                              const attune_projection_args *a, const int64_t stride[3]) {
    return (attune_operand){name, data, p->type_bits / 8, features, {a->batch, 1, a->rows}, stride, false};
}

typedef struct projection_operands {
    attune_operand input, output;
    int64_t stride_input[3], stride_output[3];
} projection_operands;

static void list_operands(const attune_projection *p, const attune_projection_args *a, projection_operands *all) {
    const attune_rows_view in = attune_view_rows(a->batch, a->rows, p->in_features, a->stride_input);
    const attune_rows_view out = attune_view_rows(a->batch, a->rows, p->out_features, a->stride_output);
    *all = (projection_operands){.stride_input = {in.stride[0], 0, in.stride[1]}, .stride_output = {out.stride[0], 0, out.stride[1]}};
    all->input = operand("input", a->input, p, p->in_features, a, all->stride_input);
    all->output = operand("output", a->output, p, p->out_features, a, all->stride_output);
}

attune_status attune_check_projection_shape(const attune_projection *projection, const attune_projection_args *a) {
    attune_status status =
        attune_check_args(a, "attune_projection_args", sizeof *a, "ATTUNE_PROJECTION_ARGS_VERSION", ATTUNE_PROJECTION_ARGS_VERSION);
    if (!status)
        status = attune_check_exec(a->exec);
    if (status)
        return status;
    if (a->exec && a->exec->device)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "exec.device is given but projections run on CPUs; leave it null");
    const attune_count counts[] = {{"batch", a->batch, 0, ATTUNE_LARGEST_LENGTH}, {"rows", a->rows, 0, ATTUNE_LARGEST_LENGTH}};
    if ((status = attune_check_counts(counts, sizeof counts / sizeof *counts)))
        return status;
    projection_operands all;
    list_operands(projection, a, &all);
    if (a->batch == 0 || a->rows == 0)
        return ATTUNE_OK;
    status = attune_check_strides(&all.input, false, false);
    return status ? status : attune_check_strides(&all.output, true, false);
}

attune_status attune_check_packed(const void *weights) {
    if (!weights)
        return attune_fail(ATTUNE_NULL_POINTER, "weights is null; pass what the pack function made");
    if ((uintptr_t)weights % packed_alignment)
        return attune_fail(ATTUNE_MISALIGNED, "weights is at %p but must be aligned to %d bytes; use aligned_alloc", weights,
                           packed_alignment);
    return ATTUNE_OK;
}

attune_status attune_check_projection_memory(const attune_projection_call *call) {
    const attune_projection_args *a = call->args;
    if (call->num_tasks == 0)
        return ATTUNE_OK;  // nothing is touched
    projection_operands all;
    list_operands(call->projection, a, &all);
    attune_status status = attune_check_pointer(&all.input);
    if (!status)
        status = attune_check_pointer(&all.output);
    if (!status)
        status = attune_check_packed(a->weights);
    if (!status)
        status = attune_check_workspace(a->workspace, a->workspace_size, call->workspace_bytes, true);
    if (status)
        return status;
    const attune_range written[] = {attune_operand_range(&all.output),
                                    {"workspace", (uintptr_t)a->workspace, (uintptr_t)a->workspace + call->workspace_bytes}};
    const attune_range read[] = {
        attune_operand_range(&all.input),
        {"weights", (uintptr_t)a->weights, (uintptr_t)a->weights + attune_projection_packed_size(call->projection)},
        written[0]};
    for (int w = 0; w < 2; w++)
        for (int r = 0; r < 2 + w; r++)
            if (attune_overlap(written[w], read[r]))
                return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s overlaps %s (from %p) but must be apart from it; give it memory of its own",
                                   written[w].name, read[r].name, (void *)read[r].first);
    return ATTUNE_OK;
}

/// A projection's call, resolved: its work as tasks of block_rows rows x block_columns outputs, and its workspace.
#ifndef ATTUNE_SRC_LAYER_PROJECTION_H
#define ATTUNE_SRC_LAYER_PROJECTION_H

#include "attune/layer_kernel.h"

/// Where rows lie: batch x rows of them, strides in elements, never 0 where there is more than one.
typedef struct attune_rows_view {
    int64_t batch, rows;
    int64_t stride[2];
} attune_rows_view;

typedef struct attune_projection_call {
    const attune_projection *projection;
    const attune_projection_variant *variant;
    const attune_projection_args *args;
    attune_rows_view input, output;           ///< one batch where all rows of both lie evenly
    int64_t rows_of_block, row_blocks;        ///< of a batch
    int64_t outputs_of_block, column_blocks;  ///< whole panels
    int64_t num_tasks;
    int32_t num_workers;
    size_t slot_bytes, workspace_bytes;
} attune_projection_call;

/// The variant that runs here. The projection's table is checked first.
attune_status attune_choose_projection(const attune_projection *projection, const attune_projection_variant **variant);
/// Counts and strides; looks at no pointer. Then fills `call`.
attune_status attune_plan_projection(const attune_projection *projection, const attune_projection_args *args, attune_projection_call *call);

/// Checks of numbers, and of addresses.
attune_status attune_check_projection_shape(const attune_projection *projection, const attune_projection_args *args);
attune_status attune_check_projection_memory(const attune_projection_call *call);
/// Strides as they are, or those of dense rows where both are 0.
attune_rows_view attune_view_rows(int64_t batch, int64_t rows, int64_t features, const int64_t stride[2]);
/// Bytes of the panels in packed weights, which the bias follows.
size_t attune_panel_bytes(const attune_projection *projection, const attune_projection_variant *variant);
/// Packed weights of a call: given, and aligned.
attune_status attune_check_packed(const void *weights);

#endif

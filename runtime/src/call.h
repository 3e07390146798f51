/// One call, resolved: arguments that passed the checks, the variant that runs, how its work is numbered and its workspace divided.
#ifndef ATTUNE_SRC_CALL_H
#define ATTUNE_SRC_CALL_H

#include "attune/kernel.h"

#include <stdbool.h>

/// A worker's part of the workspace.
typedef struct attune_slot {
    float *reference;
    int32_t *row_class, *row_state;
    float *lse;
    attune_scratch scratch;
} attune_slot;

typedef struct attune_call {
    const attune_kernel *kernel;
    const attune_kernel_variant *variant;
    const attune_attention_args *args;
    bool is_packed;  ///< cu_seqlens are given
    bool is_causal;  ///< later rows are heavier
    int64_t group;   ///< query heads a key/value head

    // Work: task t is a block of block_q rows of one head; see attune_find_block.
    int64_t blocks_per_sequence;  ///< when not packed
    int64_t row_tasks, bound_tasks;
    int32_t num_workers;
    attune_parallel_for parallel_for;
    void *parallel_context;

    // Workspace: key bounds, then a slot a worker. Bytes, except the strides of the key bounds (floats).
    int64_t bound_head_stride, bound_batch_stride;
    size_t bound_bytes, row_array_bytes, scratch_bytes, slot_bytes, workspace_bytes;
} attune_call;

/// Fills `call` from args whose shapes passed attune_check_shape; looks at no tensor and no workspace.
attune_status attune_plan_call(const attune_kernel *kernel, const attune_attention_args *args, attune_call *call);

/// The part of the workspace of worker `index`.
attune_slot attune_find_slot(const attune_call *call, int32_t index);
/// Where the key bounds of a sequence and a key/value head start, 64-byte aligned.
float *attune_key_bounds(const attune_call *call, int64_t batch, int64_t kv_head);

/// A block of query rows. `block` may be past the sequence's last one (packed sequences: a task more than needed).
typedef struct attune_block {
    int64_t batch, head, block;
} attune_block;
attune_block attune_find_block(const attune_call *call, int64_t task);

/// The sequence's first row in query, output and lse, or in key and value; other than 0 for packed sequences only.
int64_t attune_first_row(const attune_call *call, const int32_t *cu_seqlens, int64_t batch);
/// Rows of a sequence that output holds, and those of them that are in use; keys in use.
int64_t attune_rows_held(const attune_call *call, int64_t batch);
int64_t attune_rows_used(const attune_call *call, int64_t batch);
int64_t attune_keys_used(const attune_call *call, int64_t batch);

#endif

/// One call, resolved: arguments that passed the checks, the variant that runs, how its work is numbered and its workspace divided.
#ifndef ATTUNE_SRC_CALL_H
#define ATTUNE_SRC_CALL_H

#include "ask_ahead.h"
#include "bound_params.h"

#include <stdbool.h>

/// Chunks of keys to visit: `count` columns of (chunk, state of each strip), see attune/kernel.h.
typedef struct attune_visit_list {
    int32_t *entries;
    int64_t count;
} attune_visit_list;

/// A worker's part of the workspace.
typedef struct attune_slot {
    int32_t *key_rows, *value_rows;   // of decode: where the rows of a chunk start; null where they are not listed
    int32_t *rows_ahead;              // where the next chunk's runs of keys start, then this one's of values, a chunk's room each
    float *state, *key_sum, *change;  // of linear attention: of a key/value head; what a key changes
    void *no_key;                     // a row of zeros, where a call has no key
    float *scales;                    // of decode: of a chunk's keys and values, then zero points, where they must be collected
    float *reference;
    int32_t *row_class, *row_state;
    float *lse;
    // The visits of a block, and what they are made from. Their size goes with the chunks of a sequence.
    attune_visit_list full, partial;
    int32_t *chunks, *first_keys;
    uint8_t *chunk_full, *states;
    attune_scratch scratch;
    attune_ahead ahead;
    int64_t next_task;  ///< that this worker will probably do, or past the last
} attune_slot;

typedef struct attune_call {
    const attune_kernel *kernel;
    const attune_kernel_variant *variant;
    const attune_attention_args *args;
    bool is_packed;  ///< cu_seqlens are given
    bool is_causal;  ///< later rows are heavier
    int64_t group;   ///< query heads a key/value head

    attune_bound_params params;

    // Work: task t is a block of block_q positions of `fold` heads; see attune_find_block.
    int64_t head_blocks;          ///< num_heads / fold
    int64_t blocks_per_sequence;  ///< when not packed
    int64_t row_tasks;
    int64_t norm_tasks;   ///< 0: there is no `fixed`, or each task of rows has a head's keys to itself and takes their norms first
    int64_t norm_blocks;  ///< of a sequence's keys
    int32_t num_workers;
    attune_parallel_for parallel_for;
    void *parallel_context;

    int64_t head_tasks, split_tasks;  ///< of decode: sequences x head blocks, those times max_chunks; see decode.h

    // Workspace: key norms, or lists and parts of decode, then a slot a worker. Bytes, except the strides of the key norms (floats) and max_chunks.
    int64_t norm_head_stride, norm_batch_stride, max_chunks;
    size_t norm_bytes, row_array_bytes, visit_bytes, first_key_bytes, chunk_bytes, state_bytes, scratch_bytes, slot_bytes, workspace_bytes;
    size_t list_bytes, part_bytes, rotation_bytes, decode_bytes;    ///< of one list, one part, all rotations, all of these
    size_t outer_bytes, key_sum_bytes, change_bytes, no_key_bytes;  ///< of linear attention, of a slot
    size_t start_bytes, scale_bytes;                                ///< of a slot: of one list of rows, of one tensor's scales
} attune_call;

static inline int64_t attune_min(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/// Strips that hold rows of a block of so many positions: 3 of 16 where 49 rows meet strips of 24. The others have no part in any visit.
static inline int attune_strips_used(const attune_call *call, int64_t positions) {
    const attune_kernel_variant *v = call->variant;
    return (int)((positions * v->fold + v->strip_rows - 1) / v->strip_rows);
}

/// Keys of one norm task.
enum { ATTUNE_NORM_BLOCK = 4096 };

/// Fills `call` from args whose shapes passed attune_check_shape; looks at no tensor and no workspace. `call` points into itself.
attune_status attune_plan_call(const attune_kernel *kernel, const attune_attention_args *args, attune_call *call);

/// The part of the workspace of worker `index`.
attune_slot attune_find_slot(const attune_call *call, int32_t index);
/// Where the key norms of a sequence and a key/value head start, 64-byte aligned.
float *attune_key_norms(const attune_call *call, int64_t batch, int64_t kv_head);

/// A block of query rows; `head` is its first. `block` may be past the sequence's last one (packed sequences: a task more than needed).
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
/// The sequence's first key that its ring still has; 0 for other layouts.
int64_t attune_first_kept(const attune_call *call, int64_t batch);

#endif

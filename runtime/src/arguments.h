/// The arguments of a task function: pointers in the order of attune/kernel.h.
#ifndef ATTUNE_SRC_ARGUMENTS_H
#define ATTUNE_SRC_ARGUMENTS_H

#include "call.h"

/// A buffer and its dimensions in one piece of stack, innermost first.
typedef struct attune_slice {
    attune_buffer buffer;
    attune_dimension dim[4];
} attune_slice;

enum { ATTUNE_TYPE_INT = 0, ATTUNE_TYPE_UINT = 1, ATTUNE_TYPE_FLOAT = 2 };

/// `count` elements without gaps.
attune_buffer *attune_array(attune_slice *s, uint8_t type_code, uint8_t type_bits, void *data, int64_t count);
/// rows x columns elements, a row after the other; columns are dimension 0.
attune_buffer *attune_matrix(attune_slice *s, uint8_t type_code, uint8_t type_bits, void *data, int64_t columns, int64_t rows);

/// What all functions of a block have in common.
typedef struct attune_block_arguments {
    attune_scratch *scratch;
    int32_t batch, head, kv_head, q_begin, seq_len_q, seq_len_kv, num_positions;
    int32_t first_kept;  ///< keys before it are lost (a ring); for the runtime alone
} attune_block_arguments;

enum { ATTUNE_MAX_BLOCK_ARGUMENTS = 8 + ATTUNE_MAX_PARAMS };
/// Runs `function` with the block's arguments and the kernel's params, then `count` others.
int attune_run_task(const attune_call *call, attune_task_fn function, attune_block_arguments *block, void *const *others, int count);

#endif

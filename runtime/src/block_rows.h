/// The tensors of a call as task functions take them, and rows that no function writes.
#ifndef ATTUNE_SRC_BLOCK_ROWS_H
#define ATTUNE_SRC_BLOCK_ROWS_H

#include "arguments.h"

/// The keys or values first .. first + count - 1 of a head of a sequence.
attune_buffer *attune_key_rows(attune_slice *s, const attune_call *call, const void *tensor, const int64_t stride[3], int64_t row_elements,
                               int64_t batch, int64_t kv_head, int64_t first, int64_t count);
/// The rows of a block: (elements, fold, positions).
attune_buffer *attune_block_rows(attune_slice *s, const attune_call *call, const void *tensor, const int64_t stride[3],
                                 int64_t row_elements, attune_block at, int64_t first, int64_t positions);
attune_block_arguments attune_block_of_rows(const attune_call *call, attune_slot *slot, attune_block at, int64_t begin, int64_t positions);

/// Rows of positions begin .. end - 1 that see no key or are not in use: all bits zero is +0 in every type.
void attune_write_empty_rows(const attune_call *call, attune_block at, int64_t begin, int64_t end);
/// Into lse, where the call has it: row r is position `begin` + r / fold of head at.head + r % fold.
void attune_store_lse(const attune_call *call, attune_block at, int64_t begin, int64_t rows, const float *lse);

#endif

/// The two tasks of a call, see attune_task.
#ifndef ATTUNE_SRC_ROWS_TASK_H
#define ATTUNE_SRC_ROWS_TASK_H

#include "phase.h"

/// |key|^2 of a block of keys of one sequence and key/value head; for kernels with a fixed-reference algorithm.
int attune_norm_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage);
/// Output, and lse where asked for, of one block of query rows.
int attune_rows_task(const attune_call *call, attune_slot *slot, int64_t index, const char **stage);

#endif

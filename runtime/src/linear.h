/// Linear attention: a key/value head's state goes over its keys, chunk by chunk, and each chunk of rows reads what came before it.
#ifndef ATTUNE_SRC_LINEAR_H
#define ATTUNE_SRC_LINEAR_H

#include "call.h"

/// Key/value heads of all sequences: a task each.
int64_t attune_linear_tasks(const attune_call *call);
/// Fills in what a slot has for it.
void attune_plan_linear_slot(attune_call *call);
/// What the caller keeps from call to call, and whether the kernel has it; that it lies apart is attune_check_memory's.
attune_status attune_check_linear_state(const attune_kernel *kernel, const attune_attention_args *args);
attune_status attune_run_linear(const attune_call *call);

#endif

/// A phase of a call: tasks that are independent of each other, spread over the call's workers.
#ifndef ATTUNE_SRC_PHASE_H
#define ATTUNE_SRC_PHASE_H

#include "call.h"

/// Does task `index` of a phase with a worker's slot. 0, or the nonzero code of the task function that failed; *stage is its name.
typedef int (*attune_task)(const attune_call *call, attune_slot *slot, int64_t index, const char **stage);

/// Runs tasks 0 .. num_tasks - 1. Workers claim them one by one, so results must not depend on who runs which.
attune_status attune_run_phase(const attune_call *call, int64_t num_tasks, attune_task task);

#endif

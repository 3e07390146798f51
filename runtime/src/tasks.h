/// Tasks that are independent of each other, spread over a call's threads; attention has phases (phase.h), whose workers keep a slot.
#ifndef ATTUNE_SRC_TASKS_H
#define ATTUNE_SRC_TASKS_H

#include "attune/attention.h"

typedef struct attune_tasks {
    int64_t count;
    int32_t workers;                                       ///< 1 stays on the caller's thread
    int (*run)(void *data, int32_t worker, int64_t task);  ///< 0, or a code that stops the others
    void *data;
} attune_tasks;

/// Runs tasks 0 .. count - 1. Workers claim them one by one, so results must not depend on who runs which. Fails where parallel_for does; a task
/// that failed leaves its code in *failed_code, else 0.
attune_status attune_run_tasks(const attune_tasks *tasks, const attune_exec *exec, int *failed_code);

#endif

/// How many threads a call may use.
#ifndef ATTUNE_SRC_THREADS_H
#define ATTUNE_SRC_THREADS_H

#include "attune/attention.h"

/// More are never used: each costs a slot of workspace, and the pool keeps a table of this size.
enum { ATTUNE_MAX_THREADS = 1024 };

/// Threads that a call may use: exec's, else attune_num_threads(); ATTUNE_MAX_THREADS at most.
int32_t attune_threads_of(const attune_exec *exec);

#endif

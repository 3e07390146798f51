/// How many threads a call may use.
#ifndef ATTUNE_SRC_THREADS_H
#define ATTUNE_SRC_THREADS_H

/// More are never used: each costs a slot of workspace, and the pool keeps a table of this size.
enum { ATTUNE_MAX_THREADS = 1024 };

#endif

/// Attune's own threads.
#ifndef ATTUNE_SRC_PARALLEL_H
#define ATTUNE_SRC_PARALLEL_H

#include <stdint.h>

/// An attune_parallel_for on a pool that starts when it is first needed and serves one call at a time: calls that find it taken
/// (other host threads, nested calls) run their bodies on their own thread. Always returns 0.
int attune_pool_parallel_for(void *context, int32_t count, void (*body)(void *data, int32_t index), void *data);

#endif

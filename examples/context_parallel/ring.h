/// Attention over a sequence that is spread over processes.
#pragma once
#include "attention_part.h"

#include <mpi.h>

/// Where a process spent its time, in seconds.
struct RingTimes {
    double computing = 0, waiting = 0, merging = 0;
};

/// Attention of this process' chunk of queries over all keys, of which it is given its own chunk. Chunks of keys go round the ring, from rank
/// to rank + 1, while each process attends to the one that it holds. Every process of `ring` calls it.
Part attend_in_ring(MPI_Comm ring, int64_t tokens, const std::vector<float> &query, const std::vector<float> &key,
                    const std::vector<float> &value, RingTimes &times);

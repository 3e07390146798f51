#pragma once
#include <cstdint>

namespace attune {

/// How many blocks of a kernel a multiprocessor holds at a time, and what sets the limit.
struct Occupancy {
    int blocks = 0, warps = 0, most_warps = 0;
    const char *limit = "";  ///< "registers", "shared memory", "warps", "blocks"
    double share() const { return double(warps) / most_warps; }
};

/// compute_capability: 90 of sm_90. registers: of a thread. False for a card that is not in the table.
bool estimate_occupancy(int compute_capability, int registers, int64_t shared_bytes, int threads, Occupancy &occupancy);

}  // namespace attune

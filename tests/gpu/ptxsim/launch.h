// All blocks of a launch, in an order of their own, on threads of the host.
#pragma once
#include "block.h"

namespace ptxsim {

struct LaunchResult {
    std::string error;      // of the first block that failed; empty: none
    uint64_t executed = 0;  // instructions of lanes
};

LaunchResult run_blocks(const Launch &launch, unsigned host_threads);

}  // namespace ptxsim

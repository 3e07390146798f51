#pragma once
#include "Halide.h"
#include "generator/backend/device_kernel.h"

namespace attune {

/// What a choice of parameters takes of a device.
struct DeviceBlockPlan {
    ScheduleParameters parameters;  ///< all of the family's
    int block_q = 0, block_kv = 0, threads = 0;
    int64_t shared_bytes = 0;
    std::string error;  ///< of parameters that are not legal; else ""
    int split_keys = 0;
};

/// An algorithm and its schedule: what a device target's kernels are made of.
struct DeviceFamily {
    const char *schedule;  ///< "gpu_flash_tiles"
    /// What the family does not do of a specification: key, value, expectation, cure. Nothing is thrown for the others.
    void (*check)(const AttentionSpec &, const DeviceTarget &);
    /// The choices for a specification, the best first, each with `overrides` in place. Throws Error(usage) for an unknown one.
    std::vector<DeviceBlockPlan> (*choices)(const AttentionSpec &, const DeviceTarget &, const ScheduleParameters &overrides);
    Halide::Module (*lower)(const DevicePlan &plan, const Halide::Target &target);
    Halide::Module (*lower_combine)(const DevicePlan &plan, const Halide::Target &target);  ///< of plans with split_keys
    bool always_aligned;  ///< arrays and strides must be multiples of 16 bytes
};
const DeviceFamily &device_family(const DeviceTarget &target);

}  // namespace attune

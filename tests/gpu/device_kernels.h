/// Kernels of device targets, for tests that run on whatever device there is: OpenCL on a CPU (PoCL), CUDA on the simulator of ptxsim/, Vulkan on
/// a CPU (lavapipe), or real ones.
#pragma once
#include "generator/backend/device_kernel.h"
#include "tests/support/kernel_case.h"

namespace attune::test {

/// Compiled at most once a process.
const LoadedKernel &device_kernel_for(const AttentionSpec &spec, const DeviceTarget &target);
/// The device targets that tests execute.
inline const char *const executed_targets[] = {"opencl", "cuda", "vulkan"};
/// Why nothing of this target can run here, or "".
std::string missing_device(const DeviceTarget &target);

}  // namespace attune::test

/// Skips the test where no device of the target is here, and says so.
#define ATTUNE_REQUIRE_DEVICE(variable, name)                                                                                               \
    const DeviceTarget &variable = device_target(name);                                                                                     \
    if (const std::string missing = attune::test::missing_device(variable); !missing.empty()) GTEST_SKIP() << missing

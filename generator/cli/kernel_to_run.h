#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/flags.h"

#include <memory>

namespace attune::cli {

/// The kernel that a command runs: for the target that --target names, a CPU's (target_to_run) or a device's, compiled or from the cache, with the
/// schedule of --tuned. Throws Error(target) where it cannot run here.
std::unique_ptr<LoadedKernel> load_kernel_to_run(const Flags &flags, const AttentionSpec &spec);

}  // namespace attune::cli

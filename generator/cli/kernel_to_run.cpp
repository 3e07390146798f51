#include "generator/cli/kernel_to_run.h"

#include "generator/backend/device_kernel.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/tuned.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

namespace attune::cli {

std::unique_ptr<LoadedKernel> load_kernel_to_run(const Flags &flags, const AttentionSpec &spec) {
    const DeviceTarget *device = find_device_target(flags.text("--target"));
    if (!device) {
        const CpuTarget &target = target_to_run(flags, spec);
        return load_kernel(spec, target, tuned_options(flags, spec, target));
    }
    if (device->has_runtime && attune_device_count(device->api) == 0)
        throw Error({.code = ErrorCode::target,
                     .argument = "--target",
                     .value = device->name,
                     .expected = "a device and its driver on this machine",
                     .cure = "install the driver, or use auto, which takes the CPU"});
    return load_device_kernel(spec, *device);
}

}  // namespace attune::cli

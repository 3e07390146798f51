#include "tests/gpu/device_kernels.h"

#include <map>

namespace attune::test {

const LoadedKernel &device_kernel_for(const AttentionSpec &spec, const DeviceTarget &target) {
    static std::map<std::string, std::unique_ptr<LoadedKernel>> kernels;
    std::unique_ptr<LoadedKernel> &kernel = kernels[spec.canonical() + target.name];
    if (!kernel) kernel = load_device_kernel(spec, target);
    return *kernel;
}

std::string missing_device(const DeviceTarget &target) {
    if (attune_device_count(target.api) > 0) return "";
    return std::string("no device or driver for ") + target.name;
}

}  // namespace attune::test

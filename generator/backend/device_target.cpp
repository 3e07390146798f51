#include "generator/backend/device_target.h"
#include "generator/gpu/shader_lowering.h"
#include "generator/spec/error.h"

namespace attune {

const std::vector<DeviceTarget> &device_targets() {
    constexpr DeviceOperations of_cuda = {.exp2 = "llvm.nvvm.ex2.approx.ftz.f"}, plain = {.halves_as_bits = true},
                               of_shaders = {.exp2 = shader_exp2, .halves_as_bits = true};
    // Shared memory: what every device of the kind has (CUDA programming guide, table of compute capabilities; Vulkan 1.3 and Direct3D 12: 32 KiB;
    // OpenCL GPUs: 48 KiB and more).
    // cuda_mma before cuda: a kernel that has both runs it where the arrays are aligned. Large buffers: indices of 64 bits, as addresses are.
    static const std::vector<DeviceTarget> targets = {
        {"cuda_mma", ATTUNE_API_CUDA, "x86-64-linux-cuda-cuda_capability_80-large_buffers", "PTX", "ptx", 80, 99 << 10, 1024, plain, true,
         true},
        {"cuda", ATTUNE_API_CUDA, "x86-64-linux-cuda-cuda_capability_80", "PTX", "ptx", 80, 99 << 10, 1024, of_cuda, true},
        {"cuda_sm75", ATTUNE_API_CUDA, "x86-64-linux-cuda-cuda_capability_75", "PTX", "ptx", 75, 64 << 10, 1024, of_cuda, true},
        {"cuda_sm86", ATTUNE_API_CUDA, "x86-64-linux-cuda-cuda_capability_86", "PTX", "ptx", 86, 99 << 10, 1024, of_cuda, true},
        {"opencl", ATTUNE_API_OPENCL, "x86-64-linux-opencl", "OpenCL C", "cl", 0, 48 << 10, 256, plain, true},
        {"vulkan", ATTUNE_API_VULKAN, "x86-64-linux-vulkan-vk_int8-vk_int16-vk_int64-vk_v13", "SPIR-V", "spv", 0, 32 << 10, 256, of_shaders,
         true},
        {"metal", ATTUNE_API_METAL, "arm-64-osx-metal", "Metal", "metal", 0, 32 << 10, 256, of_shaders, false},
        {"d3d12", ATTUNE_API_D3D12, "x86-64-windows-d3d12compute", "HLSL", "hlsl", 0, 32 << 10, 256, of_shaders, false},
        {"webgpu", ATTUNE_API_WEBGPU, "x86-64-linux-webgpu", "WGSL", "wgsl", 0, 16 << 10, 256, of_shaders, false},
    };
    return targets;
}

const DeviceTarget *find_device_target(const std::string &name) {
    for (const DeviceTarget &target : device_targets())
        if (name == target.name)
            return &target;
    return nullptr;
}

const DeviceTarget &device_target(const std::string &name) {
    if (const DeviceTarget *target = find_device_target(name))
        return *target;
    std::string all;
    for (const DeviceTarget &target : device_targets())
        all += (all.empty() ? "" : ", ") + std::string(target.name);
    throw Error({ErrorCode::usage, "target", name, "one of " + all, "", "", 0, 0});
}

}  // namespace attune

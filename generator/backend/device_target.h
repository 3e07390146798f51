#pragma once
#include "attune/device.h"
#include "generator/algorithm/device_attention.h"

#include <string>
#include <vector>

namespace attune {

/// An interface to GPUs that kernels are generated for: one row of the table.
struct DeviceTarget {
    const char *name;  ///< "cuda"
    attune_api api;
    const char *halide;       ///< Halide's target string: of the host function, with the device's features
    const char *code;         ///< what the driver gets: "PTX", "OpenCL C", "SPIR-V"
    const char *file_ending;  ///< of a file of it: "ptx", "cl", "spv"
    int needs;                ///< CUDA: least compute capability; else 0
    int shared_bytes;         ///< of a work-group, at most
    int max_threads;          ///< of a work-group
    DeviceOperations operations;
    bool has_runtime;           ///< Attune's runtime drives it; of the others the generated source is all there is
    bool tensor_cores = false;  ///< products of f16 and bf16 on tensor cores, for specifications that they can take

    /// Of 64 bits, as Halide writes its language.
    bool has_wide_integers() const { return api == ATTUNE_API_CUDA || api == ATTUNE_API_OPENCL || api == ATTUNE_API_VULKAN; }
};

const std::vector<DeviceTarget> &device_targets();
/// By name, or null.
const DeviceTarget *find_device_target(const std::string &name);
/// By name. Throws Error(usage) for an unknown one.
const DeviceTarget &device_target(const std::string &name);

}  // namespace attune

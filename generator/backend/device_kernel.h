#pragma once
#include "generator/backend/device_target.h"
#include "generator/backend/kernel.h"

#include <memory>

namespace attune {

/// What the generator decided for a specification on a device target.
struct DevicePlan {
    AttentionSpec spec;
    const DeviceTarget *target = nullptr;
    int fold = 1;
    bool aligned = false;  ///< arrays and strides are multiples of 16 bytes: loads of four elements
    ScheduleParameters parameters;
    int block_q = 0, block_kv = 0;  ///< of them
    int split_keys = 0;             ///< of decode: keys of a part
    std::string reason;
    int64_t shared_bytes = 0;

    std::string variant_name() const;  ///< "<id>__cuda_aligned"
    const char *schedule() const;      ///< the family: "gpu_flash_tiles"
    bool rounds_weights() const;       ///< before they meet values, to the kernel's type (Precision of reference.h)
};
/// Throws Error(usage) for parameters that are illegal or unknown, Error(target) for what devices do not do (caches of integers, rope,
/// pairs, …) or the target does not (cuda_mma: f32, head dims that are no multiple of 16). The plan is of aligned arrays, whatever is
/// asked, where the target has no other variant.
DevicePlan plan_device_kernel(const AttentionSpec &spec, const DeviceTarget &target, bool aligned,
                              const ScheduleParameters &overrides = {});

/// The variants of one target, in the order in which the runtime tries them: one for arrays whose rows begin on 16 bytes, and one for all.
std::vector<DevicePlan> plan_device_variants(const AttentionSpec &spec, const DeviceTarget &target,
                                             const ScheduleParameters &overrides = {});
/// What the descriptor says of a plan.
attune_device_variant planned_sizes(const DevicePlan &plan);

/// A device variant: the object of its host function, which holds the device's code.
struct CompiledDeviceVariant {
    DevicePlan plan;
    std::vector<ObjectFile> objects;  ///< none where the target has no runtime
    std::string device_code;          ///< as the driver gets it
    attune_device_variant sizes{};    ///< its pointers are null here
    double seconds = 0;
};
CompiledDeviceVariant compile_device_variant(const DevicePlan &plan);
/// "minilm_attention__cuda_aligned_attention"
std::string device_symbol(const DevicePlan &plan);
std::string combine_symbol(const DevicePlan &plan);  ///< of decode: "…_combine"

/// Compiles the target's variants, or takes them from the cache, and loads them. Throws Error(target) for a target without a runtime.
std::unique_ptr<LoadedKernel> load_device_kernel(const AttentionSpec &spec, const DeviceTarget &target,
                                                 const ScheduleParameters &overrides = {});

/// All variants of a specification's device targets.
std::vector<CompiledDeviceVariant> compile_device_variants(const AttentionSpec &spec);

}  // namespace attune

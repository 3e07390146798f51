#include "generator/backend/target.h"
#include "attune/kernel.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <fmt/format.h>

// The runtime's own detection; not part of its public headers.
extern "C" uint32_t attune_cpu_features(void);

namespace attune {

namespace {

std::string joined(const std::vector<std::string> &names) {
    std::string text;
    for (const std::string &name : names)
        text += (text.empty() ? "" : ", ") + name;
    return text;
}

std::vector<std::string> target_names() {
    std::vector<std::string> names;
    for (const CpuTarget &target : cpu_targets())
        names.push_back(target.name);
    return names;
}

}  // namespace

bool CpuTarget::serves(const KernelTypes &types) const {
    if (!machine.dot_bf16 && !machine.fma_f16 && !machine.dot_i8)
        return true;
    return (machine.dot_i8 && types.compute == ComputeDType::i8 && (!machine.dot_bf16 || machine.tiles || types.storage == DType::bf16)) ||
           (machine.dot_bf16 && types.compute == ComputeDType::f32 && types.storage == DType::bf16) ||
           (machine.tiles && types.compute == ComputeDType::f32 && types.integer_rows) ||
           (machine.fma_f16 && types.compute == ComputeDType::f16);
}

const std::vector<CpuTarget> &cpu_targets() {
    static const char *const avx512 = "x86-64-linux-sse41-avx-f16c-fma-avx2-avx512-avx512_skylake";
    constexpr uint32_t avx2_features = ATTUNE_CPU_AVX2 | ATTUNE_CPU_SSE41, avx512_features = ATTUNE_CPU_AVX512 | avx2_features;
    constexpr uint32_t vnni_features = ATTUNE_CPU_AVX512_VNNI | avx512_features;
    static const std::vector<CpuTarget> targets = {
        {"amx",
         avx512,
         16,
         32,
         ATTUNE_CPU_AMX | ATTUNE_CPU_AVX512_BF16 | vnni_features,
         "AMX with BF16 and INT8, and its tiles allowed by the system",
         "+avx512bf16,+avx512vnni,+amx-tile,+amx-bf16,+amx-int8",
         {.exp2 = true, .dot_bf16 = true, .dot_i8 = true, .tiles = true}},
        {"avx512_fp16",
         avx512,
         16,
         32,
         ATTUNE_CPU_AVX512_FP16 | avx512_features,
         "AVX-512 F, BW, CD, DQ, VL and FP16",
         "+avx512fp16",
         {.exp2 = true, .fma_f16 = true}},
        {"avx512_bf16",
         avx512,
         16,
         32,
         ATTUNE_CPU_AVX512_BF16 | vnni_features,
         "AVX-512 F, BW, CD, DQ, VL, VNNI and BF16",
         "+avx512bf16,+avx512vnni",
         {.exp2 = true, .dot_bf16 = true, .dot_i8 = true}},
        {"avx512_vnni", avx512, 16, 32, vnni_features, "AVX-512 F, BW, CD, DQ, VL and VNNI", "+avx512vnni", {.exp2 = true, .dot_i8 = true}},
        {"avx512", avx512, 16, 32, avx512_features, "AVX-512 F, BW, CD, DQ and VL", "", {.exp2 = true}},
        {"avx2", "x86-64-linux-sse41-avx-f16c-fma-avx2", 8, 16, avx2_features, "AVX2, FMA and F16C"},
        {"sse41", "x86-64-linux-sse41", 4, 16, ATTUNE_CPU_SSE41, "SSE4.1"},
        {"neon", "arm-64-linux", 4, 32, ATTUNE_CPU_NEON, "NEON (aarch64)", "", {}, aarch64_triple},
    };
    return targets;
}

const CpuTarget &cpu_target(const std::string &name) {
    for (const CpuTarget &target : cpu_targets()) {
        if (name == target.name)
            return target;
    }
    static const std::vector<std::string> devices = {"cuda",   "cuda_sm75", "cuda_sm86", "cuda_mma", "opencl",
                                                     "vulkan", "metal",     "d3d12",     "webgpu"};
    const bool known = std::find(devices.begin(), devices.end(), name) != devices.end();
    const char *cure =
        known ? "a device is a target of build, run and check; use auto for the best CPU target" : "use auto for the best one";
    throw Error({known ? ErrorCode::target : ErrorCode::usage, "target", name, "one of " + joined(target_names()), cure, "", 0, 0});
}

bool machine_runs(const CpuTarget &target) {
    return (target.features & ~attune_cpu_features()) == 0;
}

std::vector<const CpuTarget *> machine_targets() {
    std::vector<const CpuTarget *> available;
    for (const CpuTarget &target : cpu_targets()) {
        if (machine_runs(target))
            available.push_back(&target);
    }
    return available;
}

const CpuTarget &machine_target(const std::string &name) {
    const CpuTarget &target = cpu_target(name);
    if (!machine_runs(target)) {
        std::vector<std::string> names;
        for (const CpuTarget *t : machine_targets())
            names.push_back(t->name);
        const std::string cure = "this CPU runs " + joined(names) + "; use one of them or auto";
        throw Error({ErrorCode::target, "target", name, std::string("a CPU with ") + target.needs,
                     target.is_x86() ? cure : cure + ", or build for it and tune with --runner", "", 0, 0});
    }
    return target;
}

std::vector<const CpuTarget *> available_targets(const KernelTypes &types) {
    std::vector<const CpuTarget *> available = machine_targets();
    std::erase_if(available, [&](const CpuTarget *target) { return !target->serves(types); });
    return available;
}

const CpuTarget &runnable_target(const std::string &name, const std::vector<std::string> &allowed, const KernelTypes &types) {
    if (name == "auto") {
        for (const CpuTarget *target : available_targets(types)) {
            if (std::find(allowed.begin(), allowed.end(), target->name) != allowed.end())
                return *target;
        }
        throw Error({ErrorCode::target, "target", name, "a target that this CPU runs among " + joined(allowed), "add sse41 to targets.cpu",
                     "", 0, 0});
    }
    const CpuTarget &target = machine_target(name);
    if (!target.serves(types))
        throw Error({ErrorCode::target, "target", name,
                     fmt::format("a target for dtype {} with products of {}", dtype_name(types.storage), compute_dtype_name(types.compute)),
                     "use auto", "", 0, 0});
    return target;
}

}  // namespace attune

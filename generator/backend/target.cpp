#include "generator/backend/target.h"
#include "attune/kernel.h"
#include "generator/spec/error.h"

#include <algorithm>

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

const std::vector<CpuTarget> &cpu_targets() {
    static const std::vector<CpuTarget> targets = {
        {"amx",
         "x86-64-linux-sse41-avx-f16c-fma-avx2-avx512-avx512_skylake",
         16,
         32,
         ATTUNE_CPU_AMX_BF16 | ATTUNE_CPU_AVX512_BF16 | ATTUNE_CPU_AVX512 | ATTUNE_CPU_AVX2 | ATTUNE_CPU_SSE41,
         "AMX with BF16, and its tiles allowed by the system",
         "+avx512bf16,+amx-tile,+amx-bf16",
         {.exp2 = true, .dot_bf16 = true, .tiles_bf16 = true}},
        {"avx512_bf16",
         "x86-64-linux-sse41-avx-f16c-fma-avx2-avx512-avx512_skylake",
         16,
         32,
         ATTUNE_CPU_AVX512_BF16 | ATTUNE_CPU_AVX512 | ATTUNE_CPU_AVX2 | ATTUNE_CPU_SSE41,
         "AVX-512 F, BW, CD, DQ, VL and BF16",
         "+avx512bf16",
         {.exp2 = true, .dot_bf16 = true}},
        {"avx512",
         "x86-64-linux-sse41-avx-f16c-fma-avx2-avx512-avx512_skylake",
         16,
         32,
         ATTUNE_CPU_AVX512 | ATTUNE_CPU_AVX2 | ATTUNE_CPU_SSE41,
         "AVX-512 F, BW, CD, DQ and VL",
         "",
         {.exp2 = true}},
        {"avx2", "x86-64-linux-sse41-avx-f16c-fma-avx2", 8, 16, ATTUNE_CPU_AVX2 | ATTUNE_CPU_SSE41, "AVX2, FMA and F16C"},
        {"sse41", "x86-64-linux-sse41", 4, 16, ATTUNE_CPU_SSE41, "SSE4.1"},
    };
    return targets;
}

const CpuTarget &cpu_target(const std::string &name) {
    for (const CpuTarget &target : cpu_targets()) {
        if (name == target.name)
            return target;
    }
    static const std::vector<std::string> later = {"avx512_fp16", "neon",  "opencl", "cuda",  "cuda_mma",
                                                   "vulkan",      "metal", "d3d12",  "webgpu"};
    const bool known = std::find(later.begin(), later.end(), name) != later.end();
    throw Error({known ? ErrorCode::target : ErrorCode::usage, "target", name, "one of " + joined(target_names()),
                 known ? "this version generates for x86-64 CPUs only; use auto for the best of them" : "use auto for the best one", "", 0,
                 0});
}

std::vector<const CpuTarget *> available_targets(DType dtype) {
    std::vector<const CpuTarget *> available;
    const uint32_t features = attune_cpu_features();
    for (const CpuTarget &target : cpu_targets()) {
        if ((target.features & ~features) == 0 && target.serves(dtype))
            available.push_back(&target);
    }
    return available;
}

const CpuTarget &runnable_target(const std::string &name, const std::vector<std::string> &allowed, DType dtype) {
    if (name == "auto") {
        for (const CpuTarget *target : available_targets(dtype)) {
            if (std::find(allowed.begin(), allowed.end(), target->name) != allowed.end())
                return *target;
        }
        throw Error({ErrorCode::target, "target", name, "a target that this CPU runs among " + joined(allowed), "add sse41 to targets.cpu",
                     "", 0, 0});
    }
    const CpuTarget &target = cpu_target(name);
    const std::vector<const CpuTarget *> available = available_targets(DType::bf16);  // served by all
    if (!target.serves(dtype))
        throw Error({ErrorCode::target, "target", name, "a target for " + std::string(dtype_name(dtype)), "use auto", "", 0, 0});
    if (std::find(available.begin(), available.end(), &target) == available.end()) {
        std::vector<std::string> names;
        for (const CpuTarget *t : available)
            names.push_back(t->name);
        throw Error({ErrorCode::target, "target", name, std::string("a CPU with ") + target.needs,
                     "this CPU runs " + joined(names) + "; use one of them or auto", "", 0, 0});
    }
    return target;
}

}  // namespace attune

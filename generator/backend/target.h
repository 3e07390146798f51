#pragma once
#include "generator/algorithm/machine_operations.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

constexpr const char *x86_64_triple = "x86_64-unknown-linux-gnu", *aarch64_triple = "aarch64-unknown-linux-gnu";

/// An instruction set that kernels are generated for: one row of the target table.
struct CpuTarget {
    const char *name;                ///< "avx512"
    const char *halide;              ///< Halide's target string, without the features that every kernel has
    int vector;                      ///< lanes of f32
    int registers;                   ///< vector registers
    uint32_t features;               ///< ATTUNE_CPU_… bits that the machine must have
    const char *needs;               ///< for messages: "AVX-512 F, BW, CD, DQ and VL"
    const char *llvm_features = "";  ///< of the LLVM back end, after Halide's: "+avx512bf16"
    MachineOperations machine = {};
    const char *triple = x86_64_triple;  ///< of LLVM; targets of one triple can be in one kernel

    bool is_x86() const { return triple == std::string(x86_64_triple); }
    /// Its code for these types differs from that of the targets after it: dot products of bf16, say, are of no use to others.
    bool serves(const KernelTypes &types) const;
};

/// All of them, of each architecture the best first, then its baseline.
const std::vector<CpuTarget> &cpu_targets();
/// By name. Throws Error(usage) for an unknown one, Error(target) for a device's.
const CpuTarget &cpu_target(const std::string &name);
/// The targets that this machine runs, best first.
std::vector<const CpuTarget *> machine_targets();
bool machine_runs(const CpuTarget &target);
/// One of them by name. Throws Error(target) where it cannot run here.
const CpuTarget &machine_target(const std::string &name);
/// Those of them that serve the types.
std::vector<const CpuTarget *> available_targets(const KernelTypes &types = DType::f32);
/// `name`, or for "auto" the best of `allowed` that this machine runs and that serves the types. Throws Error(target) where it cannot run here.
const CpuTarget &runnable_target(const std::string &name, const std::vector<std::string> &allowed, const KernelTypes &types = DType::f32);

}  // namespace attune

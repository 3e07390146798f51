#pragma once
#include "Halide.h"
#include "generator/backend/target.h"

#include <vector>

namespace attune {

enum class CodeForm { object, assembly, llvm_assembly };

struct CodeOptions {
    bool own_runtime = true;   ///< names of Halide's runtime that the code calls become Attune's (halide_malloc -> attune_malloc)
    bool inline_asks = false;  ///< asks in loops whose sums a call would put by (inlined_asks.h)
    bool emulate = false;      ///< code for a CPU with AVX2, with calls for the instructions that only the target's has (emulation.h)
};

/// Machine code of a lowered pipeline for a target, position independent. Halide hands over its bitcode; LLVM lowers the marked operations
/// (marked_operations.h), optimises again what they left, and generates code. An application's own Halide is never touched.
/// Built without LLVM's back end (ATTUNE_LLVM_BACKEND=OFF), the code is Halide's own, and algorithms mark nothing.
std::vector<char> generate_code(const Halide::Module &module, const CpuTarget &target, CodeForm form, const CodeOptions &options = {});

/// Whether this build has LLVM's back end.
bool has_llvm_backend();

}  // namespace attune

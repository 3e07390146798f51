#pragma once
#include "Halide.h"
#include "generator/gpu/tensor_core_text.h"

#include <string>
#include <vector>

namespace attune {

// A pipeline whose threads call the stages of tensor_core_text.h. Tokens (i32) are its values: Halide orders the calls by them, and
// takes none out, as it knows nothing of what an external function does. LLVM does not know that a warp must make them together: branches
// around them must be taken by all threads of a block, as those of ChunkKind are.

Halide::Expr tensor_core_call(const std::string &stage, const std::vector<Halide::Expr> &arguments);
/// Score e after the call that gave `token`, and its change; e may be a loop's variable where the loop is unrolled.
Halide::Expr tensor_core_score(const Halide::Expr &token, const Halide::Expr &e);
Halide::Expr tensor_core_set_score(const Halide::Expr &token, const Halide::Expr &e, const Halide::Expr &score);
/// Of an element of an argument or of the output, on the device.
Halide::Expr tensor_core_address(const Halide::Expr &element);

/// Finishes such a pipeline's lowering. Its output is an update whose value is the last token: the stages have written the output themselves.
void lower_tensor_core_calls(Halide::Pipeline &pipeline, const std::string &output, const TensorCoreShape &shape);
/// The module with the calls in its PTX replaced by their text.
Halide::Module with_tensor_core_text(const Halide::Module &module, const TensorCoreShape &shape);

}  // namespace attune

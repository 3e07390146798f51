#pragma once
#include <llvm/IR/Module.h>

namespace attune {

/// Replaces the calls that the algorithms leave for instructions which Halide cannot say (generator/algorithm/operations.h). Halide
/// calls them lane by lane; each vector of calls becomes one operation a machine register. Returns how many of those were made.
/// Throws internal_error for a marked call without a lowering.
int lower_marked_operations(llvm::Module &module);

}  // namespace attune

#pragma once
#include "Halide.h"

namespace attune {

/// Halide 21 lets a stage of a block-level loop take the shared memory of one that is staged before the loop and read in every turn of it: it looks at
/// where names stand in the text, not at what goes round. Lowering throws Error(internal) that names both, so that no such kernel leaves the generator.
void check_shared_memory(Halide::Pipeline &pipeline);

}  // namespace attune

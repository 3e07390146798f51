#pragma once
#include "Halide.h"

namespace attune {

/// Turns loop nests of the form
///   for row: for column: for step: c[row, column] = attune_op_dot_…(c[row, column], b[step, column], a[row, step])
/// into one call of attune_op_contract_… (machine_operations.h), which the LLVM back end makes matrix tiles of. Where the nest is all
/// that follows the zeros that c starts from, those are left out. Rows, columns and steps must be multiples of 16.
void contract_in_tiles(Halide::Pipeline &pipeline);

}  // namespace attune

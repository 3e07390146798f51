#pragma once
#include "Halide.h"

namespace attune {

// What Halide's language cannot say of a device kernel, as calls that survive its passes; lower_markers (block_registers.h runs with it) takes them out again.

/// As a condition of the loop over `variable`: it runs from `first` to `end` - 1 only, and its body where `condition` holds. Halide's own conditions
/// would narrow the producers' sizes, be solved by a solver that errs on some, and stand around each producer, where barriers are.
Halide::Expr loop_turns(const Halide::Expr &variable, const Halide::Expr &first, const Halide::Expr &end, const Halide::Expr &condition);
/// `value`; where `condition` holds it is stored to `element` of an argument too, which is a second output of the kernel.
Halide::Expr stored_too(const Halide::Expr &value, const Halide::Expr &element, const Halide::Expr &condition);
/// As the output's value, at one position: it is stored `positions` later, and only where `condition` holds.
Halide::Expr stored_later(const Halide::Expr &value, const Halide::Expr &positions, const Halide::Expr &condition);
/// As a stage's value: where `condition` does not hold, nothing of it is computed or stored.
Halide::Expr only_where(const Halide::Expr &condition, const Halide::Expr &value);
/// `value`; `dependence` is computed before.
Halide::Expr after(const Halide::Expr &value, const Halide::Expr &dependence);

/// Takes the markers out of a lowered pipeline. Throws where one is not as its function above made it.
/// `positions_dimension`: of an output, the dimension that stored_later counts along.
void lower_markers(Halide::Pipeline &pipeline, int positions_dimension);

}  // namespace attune

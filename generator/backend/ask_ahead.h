#pragma once
#include "Halide.h"

namespace attune {

/// Makes each iteration of the loops named `visit_loop…` call attune_ask_ahead (attune/kernel.h) first.
void ask_ahead(Halide::Pipeline &pipeline);

}  // namespace attune

#pragma once
#include "Halide.h"

namespace attune {

/// What Halide 21's writer of SPIR-V gets wrong is put into words that it gets right:
///   scalars of less than 32 bits, which a kernel takes as i32 instead. It hands booleans that it moved out of a kernel on as they are, which SPIR-V forbids
///     in a buffer: drivers read four bytes, the neighbours' too.
///   serial loops, which start at 0 and have no negative extent: it compares their variables as unsigned numbers (Halide issue 8860).
///   quotients and right shifts of negative numbers: it shifts zeros in.
///   booleans in arrays, which become bytes, and conditions that are constants, which it does not know.
///   interleaving two vectors, which becomes a shuffle of more (Halide issue 9075).
void lower_for_spirv(Halide::Pipeline &pipeline);

}  // namespace attune

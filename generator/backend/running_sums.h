#pragma once
#include "Halide.h"

namespace attune {

/// Takes sums of terms as they come, instead of keeping them for a pass of their own: of
///   for p: terms[p * width + i] = e;  …  sums[i] = 0;  for x: sums[i] += terms[x * width + i]          (i: the `width` elements of sums)
/// comes
///   sums[i] = 0;  for p: sums[(p * width + i) % width] += e
/// The order of each sum is the same. The terms of a chunk would take as much of the first-level cache as its weights.
void take_running_sums(Halide::Pipeline &pipeline);

}  // namespace attune

#pragma once
#include "workload.h"

namespace attune::bench {

/// Attention in f32 as one writes it down: a row at a time, dot products, softmax, weighted sum; one thread, compiled with -O3
/// -ffast-math for this machine. The baseline that a schedule has to beat. Rows after a sequence's length stay as they are.
void naive_attention(const Workload &workload, const Arrays &arrays, float *output);

}  // namespace attune::bench

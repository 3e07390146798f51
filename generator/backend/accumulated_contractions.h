#pragma once
#include "Halide.h"

namespace attune {

/// Lets contractions add to the sums that they are for, and makes one of those in a loop over blocks of rows:
///   for block: { t = contract(a[block], b) from zero;  c[block] += t }
/// becomes
///   c = contract(a, b) from c
/// which spares a pass over t and c, and 4 zeroed tiles a block. After contract_in_tiles; other contractions stay as they are.
void accumulate_contractions(Halide::Pipeline &pipeline);

}  // namespace attune

#pragma once
#include "Halide.h"

namespace attune {

/// Puts the tile products of later rows between the iterations of the loop that works on earlier ones: tiles and vector units then run side by side,
/// which no core does by itself across the thousands of instructions of either (a reorder buffer holds 512). Of
///   c = contract(rows);  for p: body(p)             where body(p) reads rows p * n … of c
/// comes
///   c = contract(first 32 rows);  for t: c = contract(16 rows x 32 columns);  some iterations of body;  …  the last iterations of body
/// After contract_in_tiles. Contractions whose consumer is not such a loop stay as they are.
void interleave_contractions(Halide::Pipeline &pipeline);

}  // namespace attune

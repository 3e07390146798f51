#pragma once
#include "Halide.h"

namespace attune {

/// A loop whose turns add contractions to the same sums, of most_kept_tiles at most, has these in tiles from before it to its end: a turn may be as short
/// as one step of products, so that what it lays down for them stays in the first-level cache.
void keep_sums_in_tiles(Halide::Pipeline &pipeline);

}  // namespace attune

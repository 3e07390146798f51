#pragma once
#include "Halide.h"

namespace attune {

/// A tile on the way of a transpose: `rows` vectors of `dims` elements, read as they lie and stored strided, which Halide turns into shuffles and dense stores.
/// `of`: what numbers the tiles.
inline void schedule_transposed_tile(Halide::Func &tile, const Halide::LoopLevel &at, const Halide::Var &row, int rows,
                                     const Halide::Var &dim, int dims, const Halide::Var &of) {
    tile.compute_at(at)
        .bound_extent(row, rows)
        .bound_extent(dim, dims)
        .reorder_storage(row, dim, of)
        .reorder(dim, row, of)
        .unroll(row)
        .vectorize(dim)
        .store_in(Halide::MemoryType::Stack);
}

}  // namespace attune

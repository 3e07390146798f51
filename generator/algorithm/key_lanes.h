#pragma once
#include "generator/algorithm/attention.h"

namespace attune {

/// An array that the score reads by row and key: its rows, as they lie.
struct KeyArray {
    const Node *element = nullptr;
    Halide::Func rows;             ///< (kv, i, s)
    Halide::RDom inside, clamped;  ///< of its two updates: keys that the array has, and those after its last, which repeat that
    Halide::Expr is_dense;         ///< stride 1
};

/// Full rows with keys in lanes, for tasks whose rows all see all keys, but for what the score itself hides. Of the three tensors the keys alone are
/// transposed, once a task; rows of query, value and output are read and written as they lie. i = row in its strip, s = strip, t = tile of
/// block_kv keys, k = key in it; keys after the last repeat it and weigh 0.
struct KeyLanesStages {
    Halide::Func key_tile;  ///< (d, k, t)     as they lie
    Halide::Func keys;      ///< (k, d, t)     transposed, f32
    Halide::Func values;    ///< (d, kv)       f32, columns padded to whole register tiles; undefined where that is the tensor
    Halide::Func query;     ///< (d, i, s)     scaled, f32
    Halide::Func scores;    ///< (k, t, i, s)  one update for each number of vectors that a tile has keys for
    std::vector<KeyArray> arrays;
    Halide::Func logits;        ///< (k, i, t, s)  log2 units, hidden ones at hidden_score
    Halide::Func lane_maximum;  ///< (v, i, s)     over keys k = v mod vector
    Halide::Func maximum;       ///< (i, s)
    Halide::Func weights;       ///< (k, i, t, s)  2^(logit - maximum); 0 where hidden
    Halide::Func lane_sums;     ///< (v, i, s)
    Halide::Func sum;           ///< (i, s)
    Halide::Func lane_lowest;   ///< (v, s)        bits of the strip's lowest logit, as an unsigned number (where the score may hide)
    Halide::Func lowest;        ///< (s)           the same of all lanes
    Halide::Func plain_keys;    ///< (s)           all keys where the strip has none that is hidden, else 0
    Halide::Func
        weighted;  ///< (j, b, i, s)  column b * tile_d + j; by plain_keys, in a second update by the others, whose hidden values are left out
    Halide::Func accumulator;                       ///< (j, b, i, s)  the same, of all blocks
    Halide::Func inverse, row_lse, state;           ///< (i, s)
    Halide::Func output, lse, row_state;            ///< (d, head, position), (row), (row)
    std::vector<Halide::RDom> over_d;               ///< (k, d)  of each update of scores
    Halide::RDom over_max, over_sum, over_lowest;   ///< (vector, t); of lowest (i, vector, t)
    Halide::RDom over_lanes, over_k, over_shown_k;  ///< (v); (k, t)
    Halide::RDom rows;                              ///< of output and lse
};
KeyLanesStages define_key_lanes(const AttentionTask &task);

}  // namespace attune

#pragma once
#include "generator/algorithm/attention.h"

namespace attune {

/// What split_kv computes, by contractions of matrix tiles: keys times strips of 16 query rows, whose weights are then turned for weights times
/// values, so that nothing of the cache is: a row of keys goes in as it lies, two of values side by side. A query turned by rope is no bf16, and goes
/// in as three that sum to it (2^-27 of it is lost); weights are rounded to bf16.
/// i = row of its strip, s = strip, k = key of the chunk, p = a pair of them, d = head dim, or in pairs two.
struct SplitTileStages {
    Halide::Func query;                     ///< (d, i, s)  turned; undefined where it is not
    std::vector<Halide::Func> query_tiles;  ///< (i, d, s)  a transposed tile of each of the query's terms, in pairs
    std::vector<Halide::Func> query_pairs;  ///< (i, d, s)
    Halide::Func key;                       ///< (d, k)     pairs
    Halide::RDom over_d;
    Halide::Func scores;       ///< (i, k, s)    the product alone: an update a term
    Halide::Func logits;       ///< (i, k, s)    log2 units, hidden ones at hidden_score
    Halide::Func maximum;      ///< (i, s)       of the logits; weights are relative to the integer above
    Halide::Func pairs;        ///< (i, p, s)    Tuple: weights of keys 2 p and 2 p + 1 as bf16, their sum as f32
    Halide::Func sums;         ///< (i, j, s)    sums of pairs p = j mod split_chains
    Halide::Func turned_tile;  ///< (p, i, s)    a transposed tile of the pairs
    Halide::Func turned;       ///< (p, i, s)
    Halide::Func value;        ///< (d, p)       keys 2 p and 2 p + 1; 0 for what is not finite in a chunk with a mask
    Halide::Func unusual;      ///< (v, b)       0x7f80: block b of keys has a value that is not finite, in lane v of its head dims
    Halide::Func weighted;     ///< (d, i, s)    two updates: tiles; then in a chunk with a mask, what tiles took for 0
    Halide::RDom over_keys, over_pairs, over_tiles, over_rows, over_hidden;
    Halide::Func part;  ///< (column, r)  as SplitStages has it
};
SplitTileStages define_split_tiles(const AttentionTask &task);

/// Rows of a strip: those of a matrix tile.
constexpr int split_strip = matrix_tile_edge;
/// Sums of weights beside each other.
constexpr int split_chains = 8;

}  // namespace attune

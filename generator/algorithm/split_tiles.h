#pragma once
#include "generator/algorithm/attention.h"

namespace attune {

/// What split_kv computes, by contractions of matrix tiles: keys times strips of 16 query rows, whose weights are then turned for weights times
/// values. Nothing of the cache is turned or, in a chunk without a mask, copied: a row of keys goes in as it lies, and a row of values as pairs of
/// neighbouring columns, that meet pairs of a weight and a 0 for the even columns and of a 0 and a weight for the odd ones. Twice the products
/// cost less than laying two rows of values side by side. A query turned by rope is no bf16, and goes in as three that sum to it (2^-27 of it is
/// lost); weights are rounded to bf16.
/// i = row of its strip, s = strip, k = key of the chunk, d = a pair of head dims, j = 8 rows for the even columns, then for the odd ones, then 8
/// more rows: of a call of 8 rows at most (4 heads, one or two positions) weights are one tile.
struct SplitTileStages {
    Halide::Func query;                     ///< (d, i, s)  turned, single head dims; undefined where it is not
    std::vector<Halide::Func> query_tiles;  ///< (i, d, s)  a transposed tile of each of the query's terms
    std::vector<Halide::Func> query_pairs;  ///< (i, d, s)
    Halide::Func key;                       ///< (d, k)     a copy
    Halide::RDom over_d;
    Halide::Func scores, scores_in_place;  ///< (i, k, s)    the product alone, from copies and from the cache: an update a term
    Halide::Func logits;                   ///< (i, k, s)    log2 units, hidden ones at hidden_score
    Halide::Func maxima;                   ///< (i, c, s)    of the logits of keys k = c mod split_chains
    Halide::Func maximum;                  ///< (i, s)       the integer above, which weights are relative to
    Halide::Func weights;                  ///< (i, k, s)
    Halide::Func sums;                     ///< (i, c, s)    sums of weights of keys k = c mod split_chains
    std::vector<Halide::Func>
        turns;                    ///< (x, t, s)    weights of keys 32 t + x / 16 and 16 after, as bf16, of row x % 16; then turned by a bit
    Halide::Func turned;          ///< (k, j, s)
    Halide::Func value;           ///< (d, k)       a copy, undefined where values are read in place
    Halide::Func weighted_whole;  ///< (d, j, s)    of a chunk without a mask
    Halide::Func usual_value;     ///< (d, k)       a copy; 0 for what is not finite
    Halide::Func unusual;         ///< (v, b)       0x7f80: block b of keys has a value that is not finite, in lane v of its head dims
    Halide::Func weighted;        ///< (d, j, s)    of one with a mask, two updates: tiles; then what tiles took for 0
    Halide::Func columns;         ///< (column, i, s)
    Halide::Func largest;         ///< (v, i, s)    exponents of the columns
    Halide::Func reference;       ///< (i, s)       the maximum, or a NaN: weighted_whole was not enough, the chunk needs `weighted`
    Halide::RDom over_chains, over_turned, over_whole, over_columns, over_tiles, over_rows, over_hidden;
    Halide::Func part;  ///< (column, r)  as SplitStages has it
};
SplitTileStages define_split_tiles(const AttentionTask &task);

/// Tiles take rows of the cache as they lie, where those are evenly apart and whole steps long.
bool split_reads_in_place(const AttentionTask &task);
/// Columns that tiles compute: pairs of them fill whole tiles.
int split_tile_columns(const AttentionTask &task);

/// Rows of a strip: those of a matrix tile.
constexpr int split_strip = matrix_tile_edge;
/// Rows whose weights for the even columns and for the odd ones are rows of one tile, and whether a call has no more.
constexpr int split_half = split_strip / 2;
Halide::Expr split_few_rows(const AttentionTask &task);
/// Keys of a whole chunk whose sums stay in tiles: 64 and 256 are 4 and 3 % slower (latents and 4 heads on one).
constexpr int split_whole_keys = 128;
/// Sums of weights beside each other.
constexpr int split_chains = 8;

}  // namespace attune

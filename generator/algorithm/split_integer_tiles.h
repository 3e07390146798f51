#pragma once
#include "generator/algorithm/attention.h"

namespace attune {

/// split_kv of a cache of integers, by contractions of matrix tiles. A number of more bits than a byte's is several rows of signed bytes, whose sums are exact
/// and are put together behind: of the query two, of weights three, so that what rounding loses of a chunk is 2^-24 of its largest for each key.
/// i8: keys go in as they lie, and so do values: four neighbouring columns are a quad, which meets quads of a weight's byte and three 0, one for each of
/// the four. Four times the products cost less than laying four rows of values side by side.
/// i4: a scale is for a group of head dims, so keys, unpacked to bytes, meet columns of the query that are 0 but for a group; values become bf16, 64 bytes
/// of a row for a group, and meet weights times scales as two bf16 each (2^-18 of each is lost), with a 0 in the place of the other of a pair.
/// t = tile of four rows, c = byte * 4 + row of the tile (of i4 that times groups, plus the group), d = quad of head dims, k = key of the chunk,
/// j = (byte * 4 + column of a quad) * 4 + row.
struct SplitIntegerStages {
    /// Weights of a block of keys.
    struct Block {
        Halide::Func number;  ///< (k, r)     i32
        Halide::Func quads;   ///< (k, j, t)  u32
        Halide::RDom over;    ///< (key of the block, block)
    };
    SplitStages split;                     ///< but for what its products are made of
    Halide::Func query_number;             ///< (d, r)     i32
    Halide::Func query_packed;             ///< (d, c, t)  u32
    Halide::Func query_quads;              ///< (c, d, t)  the same, turned
    Halide::Func key;                      ///< (d, k)     a copy of rows, single head dims
    Halide::Func scores, scores_in_place;  ///< (c, k, t)  i32, from copies and from the cache
    Halide::Func grouped;                  ///< (c, k, t)  f32, of i4: sums of a group, c = row * groups + group
    Halide::Func turned;                   ///< (k, c, t)
    Halide::Func lane_largest;             ///< (v, r)     bits of the weights' largest magnitude, scales of values included
    Halide::Func number_scale;             ///< (r)        weights are integers of it
    Halide::Func number_inverse;           ///< (r)
    Halide::Func value;                    ///< (d, k)     a copy
    Halide::Func sums;                     ///< (d, j, t)  i32, an update of values in place, where there are such, then one of copies
    Block whole, copied;
    // Of i4: weights as two bf16, and values, which are bf16 too; j = (term * 2 + phase) * 4 + row, d = pair of a group g.
    Halide::Func weight_pairs;  ///< (k, j, g, t)
    Halide::Func group_sums;    ///< (d, j, g, t)  f32
    Halide::Func value_words;   ///< (d, k)        u16, four head dims each
    Halide::Func value_scale;   ///< (k, g)
    Halide::RDom over_keys;     ///< (key of a block, block)
    Halide::RDom over_quads;
};
SplitIntegerStages define_split_integers(const AttentionTask &task);

/// Keys of a block, whose weights are made for tiles at once: 64 are as fast for i8 and 5 % slower for i4, 128 are 3 % slower.
constexpr int split_integer_block = 32;
/// Rows of a tile's weights: by byte, column of a quad and row.
constexpr int split_integer_rows = 48;
/// Tiles take rows of the cache as they lie.
bool split_integers_in_place(const AttentionTask &task);

}  // namespace attune

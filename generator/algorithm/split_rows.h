#pragma once
#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

/// What split_kv computes, for more rows than it keeps up with (a draft of several tokens for the heads of a group): query rows lie in lanes, in strips of
/// split_row_strip, and elements of keys are broadcast. A row of the cache is read, and converted, once for all rows of a strip; tiles of 4 rows, whose head
/// dims lie in lanes, read it as often from the second-level cache. Each sum has the order of split_kv, so that a row's bits do not depend on the others.
/// i = row of its strip, s = strip, k = key of the chunk, d = head dim.
struct SplitRowStages {
    Halide::Func query_tile, query;            ///< (i, d, s)    turned and scaled: a transposed tile, and the strip
    Halide::Func key, value;                   ///< (d, k)       copies as f32; undefined where the cache holds that
    Halide::Func lane_scores;                  ///< (i, v, k, s) sums over d = v mod vector
    Halide::Func kept_scores;                  ///< (i, p, k, s) the same of all lanes, split_row_lanes added up
    Halide::Func scores;                       ///< (i, k, s)    log2 units
    Halide::Func logits;                       ///< (i, k, s)    hidden ones at hidden_score
    Halide::Func maxima;                       ///< (i, c, s)    of the logits of keys k = c mod vector
    Halide::Func maximum;                      ///< (i, s)       the integer above, which weights are relative to
    Halide::Func weights;                      ///< (i, k, s)    2^(logits - maximum), -0 where hidden
    Halide::Func sums;                         ///< (i, c, s)    of weights of keys k = c mod vector
    Halide::Func weighted;                     ///< (d, r)       sum over the chunk of weights * value
    Halide::Func part;                         ///< (column, r)  as SplitStages has it
    Halide::RDom over_d, over_chains, over_k;  ///< over_k: (key of a block, block)
};
SplitRowStages define_split_rows(const AttentionTask &task);

/// Lanes of sums over head_dim beside each other: those that are added first.
constexpr int split_row_lanes = 2;
constexpr int split_row_strip = ATTUNE_SPLIT_STRIP_ROWS;
/// Keys whose weights and values are in the first-level cache together.
constexpr int split_row_block = 32;

}  // namespace attune

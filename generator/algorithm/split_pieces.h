#pragma once
#include "generator/algorithm/attention.h"

namespace attune {

/// What split_kv and its kin are made of, whatever their products are. Those that define members of SplitStages say which.

/// What sums over head_dim start at, a zero that no compiler knows of. From 0 the first two products of a short sum would be added to each other, and which
/// of them keeps its own rounding would differ between chunks that ask a mask and those that do not: a row would lose its bits.
Halide::Expr unknown_zero(const AttentionTask &task);
/// The nearest bf16, ties away from 0, in the upper half of what is otherwise 0.
Halide::Expr rounded_to_bf16(const Halide::Expr &x);
/// query.
void define_split_query(const AttentionTask &task, SplitStages &stages);
/// query_largest and query_scale: integers of a row are multiples of its scale, its largest element is `most` of them; and that integer.
void define_query_scale(const AttentionTask &task, SplitStages &stages, float most);
Halide::Expr query_integer(const SplitStages &stages, float most, const Halide::Expr &d, const Halide::Expr &r);
/// logits, maximum, weights, lane_sums and scaled, from the product of key k and row r.
void define_split_weights(const AttentionTask &task, SplitStages &stages, const Halide::Expr &product);
/// A weight is not that of a hidden key.
Halide::Expr is_shown(const Halide::Expr &weight);
/// part, from weighted, lane_sums and maximum.
void define_split_part(const AttentionTask &task, SplitStages &stages);
/// Of a chunk with a mask no more keys are computed than it has: a short cache is not a chunk's work.
Halide::Expr split_key_steps(const AttentionTask &task);
/// Key k of the chunk, or one that exists: rows are listed in steps.
Halide::Expr listed_key(const AttentionTask &task, const Halide::Expr &k);
/// Element d of key k of a chunk that has it, from rows evenly apart.
Halide::Expr element_in_place(const AttentionTask &task, const Halide::ImageParam &rows, const Halide::Expr &d, const Halide::Expr &k);

}  // namespace attune

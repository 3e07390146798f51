#pragma once
#include "generator/spec/expression.h"

#include <vector>

/// What a mask means for blocks: derived once from its expression, valid for every length and every value of the parameters.
namespace attune {

/// Keys first … last, both inclusive; none where first > last. Integer expressions over b, hkv, h_first, h_last, q_first, q_last,
/// seq_len_q, seq_len_kv and params (a nondecreasing array is read at its ends). May reach outside 0 … seq_len_kv - 1.
struct KeyRange {
    ExprPtr first, last;
};

/// The plan of a mask. All expressions are simplified and read no h, q, kv or q_abs.
struct BlockPlan {
    /// A block of rows sees no key outside the union of these. At most max_ranges; they may overlap. Empty mask: one, the whole sequence.
    std::vector<KeyRange> ranges;
    /// Of rows h_first … h_last, q_first … q_last x keys kv_first … kv_last (all inside the sequence): false: no pair is visible;
    /// true: some pair may be.
    ExprPtr some;
    /// true: every pair is visible. Implies some.
    ExprPtr all;

    static constexpr int max_ranges = 6;
};

/// mask: a boolean expression, or null for a mask that shows everything. Pairs outside the sequence are not its business.
/// Intervals: Moore 1966; three-valued logic: Kleene 1952. Sound by construction; tests/plan proves it by brute force.
BlockPlan plan_blocks(const ExprPtr &mask, const std::vector<ParamDeclaration> &params);

}  // namespace attune

#pragma once
#include "generator/plan/simplify.h"

#include <unordered_map>

namespace attune {

/// Two expressions that enclose a third one's value over a block of rows x keys. Of integers and reals: low <= value <= high, null
/// where nothing is known. Of booleans, false being less than true: low is true where every pair's value is true, high is false
/// where every pair's is false (Kleene 1952). Equal nodes: the value is the same for every pair.
struct Bounds {
    ExprPtr low, high;
    bool point() const { return low && low == high; }
};

/// The block: what takes the place of q, kv and h, ends inclusive.
struct BlockEnds {
    ExprPtr h_first, h_last, q_first, q_last, kv_first, kv_last;
    /// The variables of these names; one_head: h_first for h_last too.
    static BlockEnds of(Simplifier &simplifier, bool one_head = false);
};

/// Interval evaluation (Moore 1966) of simplified expressions over q, kv and h, as expressions over the block's ends. What varies in no
/// operand is exact whatever the operation; integers go by one rule an operation; sums and comparisons by their linear form, so that
/// rules affine in q and kv are exact.
class Intervals {
public:
    Intervals(Simplifier &simplifier, BlockEnds ends) : s_(simplifier), ends_(std::move(ends)) {}

    Bounds bounds(const ExprPtr &expression);
    /// What the caller knows of an expression, better than the rules do.
    void assume(const ExprPtr &expression, const Bounds &bounds) { known_[expression.get()] = bounds; }
    /// Of a sum of integers; null where it might wrap.
    Bounds bounds(const LinearForm &form);

private:
    Bounds operation(const ExprPtr &expression);
    Bounds divide(const Bounds &a, const Bounds &b);
    Bounds modulo(const Bounds &a, const Bounds &b);
    Bounds multiply(const Bounds &a, const Bounds &b);
    Bounds compare(Op op, const ExprPtr &a, const ExprPtr &b);
    Bounds equals_zero(const LinearForm &form);
    Bounds select(const Bounds &condition, const Bounds &a, const Bounds &b);
    Bounds sorted_element(const Node &node, const std::vector<Bounds> &indices);
    Bounds corners(const Node &node, const std::vector<Bounds> &indices);
    Bounds unknown(ExprType type);
    bool coarse(const ExprPtr &index) const;

    Simplifier &s_;
    BlockEnds ends_;
    std::unordered_map<const Node *, Bounds> known_;
};

}  // namespace attune

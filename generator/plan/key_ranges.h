#pragma once
#include "generator/plan/block_plan.h"
#include "generator/plan/intervals.h"

namespace attune {

/// The keys that some row of a block may see, as a union of at most BlockPlan::max_ranges intervals in closed form: each comparison of the
/// (simplified) mask is solved for kv, "and" intersects, "or" unites. What cannot be solved is the whole sequence; a condition without kv
/// is the whole sequence where it may hold, else nothing.
std::vector<KeyRange> key_ranges(Simplifier &simplifier, const BlockEnds &ends, const ExprPtr &mask);

/// Either list, by a condition. Lists of one length; a missing range is empty.
std::vector<KeyRange> select_ranges(Simplifier &simplifier, const ExprPtr &condition, const std::vector<KeyRange> &a,
                                    const std::vector<KeyRange> &b);

}  // namespace attune

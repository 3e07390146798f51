#include "tests/plan/plan_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::test {
namespace {

std::vector<ExprPtr> ends(const BlockPlan &plan) {
    std::vector<ExprPtr> out;
    for (const KeyRange &range : plan.ranges) {
        out.push_back(range.first);
        out.push_back(range.last);
    }
    return out;
}

}  // namespace

PlanValues::PlanValues(const BlockPlan &plan, const std::vector<ParamValue> &params)
    : ranges_(ends(plan)), block_({plan.some, plan.all}), params_(params), values_(plan.ranges.size()) {}

void PlanValues::set(const Sequence &sequence, int64_t h_first, int64_t h_last) {
    bindings_[Variable::b] = sequence.b;
    bindings_[Variable::hkv] = sequence.hkv;
    bindings_[Variable::seq_len_q] = sequence.seq_len_q;
    bindings_[Variable::seq_len_kv] = sequence.seq_len_kv;
    bindings_[Variable::h_first] = h_first;
    bindings_[Variable::h_last] = h_last;
    // A plan reads none of these: it must not matter what they are.
    bindings_[Variable::h] = bindings_[Variable::q] = bindings_[Variable::kv] = -12345;
}

const std::vector<PlanValues::Range> &PlanValues::rows(int64_t q_first, int64_t q_last) {
    bindings_[Variable::q_first] = q_first;
    bindings_[Variable::q_last] = q_last;
    const auto &values = ranges_.run(bindings_, params_);
    for (size_t i = 0; i < values_.size(); i++)
        values_[i] = {values[2 * i].integer, values[2 * i + 1].integer};
    return values_;
}

PlanValues::Block PlanValues::block(int64_t kv_first, int64_t kv_last) {
    bindings_[Variable::kv_first] = kv_first;
    bindings_[Variable::kv_last] = kv_last;
    const auto &values = block_.run(bindings_, params_);
    return {values[0].integer != 0, values[1].integer != 0};
}

bool PlanValues::in_ranges(int64_t kv_first, int64_t kv_last) const {
    return std::any_of(values_.begin(), values_.end(),
                       [&](const Range &r) { return std::max(r.first, kv_first) <= std::min(r.last, kv_last); });
}

BlockCounts check_blocks(PlanValues &plan, const PairCounts &any, const PairCounts &all, const Sequence &s, int64_t block_q,
                         int64_t block_kv, std::string &problem) {
    BlockCounts counts;
    for (int64_t q0 = 0; q0 < s.seq_len_q; q0 += block_q) {
        const int64_t q1 = std::min(q0 + block_q, s.seq_len_q) - 1;
        const auto &ranges = plan.rows(q0, q1);
        // Between the ranges there is nothing to see.
        std::vector<PlanValues::Range> sorted(ranges.begin(), ranges.end());
        std::sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
        sorted.push_back({s.seq_len_kv, s.seq_len_kv});
        int64_t covered = 0;
        for (const auto &range : sorted) {
            if (range.first > range.last)
                continue;
            const int64_t end = std::min(range.first, s.seq_len_kv) - 1;
            if (problem.empty() && end >= covered && any.count(q0, q1, covered, end) > 0)
                problem = fmt::format("rows {} … {} see keys in {} … {}, outside their ranges", q0, q1, covered, end);
            covered = std::max(covered, std::min(range.last, s.seq_len_kv - 1) + 1);
        }
        for (int64_t k0 = 0; k0 < s.seq_len_kv; k0 += block_kv) {
            const int64_t k1 = std::min(k0 + block_kv, s.seq_len_kv) - 1, pairs = (q1 - q0 + 1) * (k1 - k0 + 1);
            const auto [some, full] = plan.block(k0, k1);
            const bool seen = any.count(q0, q1, k0, k1) > 0, whole = all.count(q0, q1, k0, k1) == pairs;
            counts.needed += seen;
            counts.visited += some && plan.in_ranges(k0, k1);
            counts.full += whole;
            counts.called_full += full;
            if (problem.empty() && ((seen && !some) || (full && !whole) || (full && !some)))
                problem = fmt::format("rows {} … {} x keys {} … {}: some {}, all {}, but {} visible in any head and {} in all, of {}", q0,
                                      q1, k0, k1, some, full, any.count(q0, q1, k0, k1), all.count(q0, q1, k0, k1), pairs);
        }
    }
    return counts;
}

}  // namespace attune::test

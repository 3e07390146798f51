#pragma once
#include "generator/plan/block_plan.h"
#include "generator/spec/evaluate.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attune::test {

/// Whether a row sees a key, of one sequence; heads first … last where rows are said to see what any of them sees.
struct Sequence {
    int64_t b = 0, hkv = 0, seq_len_q = 0, seq_len_kv = 0;
};

/// The visible pairs of a head, for counting in rectangles.
class PairCounts {
public:
    template <typename Visible>
    PairCounts(int64_t rows, int64_t keys, const Visible &visible) : keys_(keys), sums_(static_cast<size_t>((rows + 1) * (keys + 1))) {
        for (int64_t q = 0; q < rows; q++)
            for (int64_t kv = 0, row = 0; kv < keys; kv++)
                at(q + 1, kv + 1) = at(q, kv + 1) + (row += visible(q, kv) ? 1 : 0);
    }
    /// Of rows q_first … q_last x keys kv_first … kv_last.
    int64_t count(int64_t q_first, int64_t q_last, int64_t kv_first, int64_t kv_last) const {
        return at(q_last + 1, kv_last + 1) - at(q_first, kv_last + 1) - at(q_last + 1, kv_first) + at(q_first, kv_first);
    }

private:
    int64_t at(int64_t q, int64_t kv) const { return sums_[static_cast<size_t>(q * (keys_ + 1) + kv)]; }
    int64_t &at(int64_t q, int64_t kv) { return sums_[static_cast<size_t>(q * (keys_ + 1) + kv)]; }
    int64_t keys_;
    std::vector<int64_t> sums_;
};

/// A plan with values in place of its variables.
class PlanValues {
public:
    PlanValues(const BlockPlan &plan, const std::vector<ParamValue> &params);
    void set(const Sequence &sequence, int64_t h_first, int64_t h_last);
    struct Range {
        int64_t first, last;
    };
    /// Of rows q_first … q_last; also what the next calls of block() stand on.
    const std::vector<Range> &rows(int64_t q_first, int64_t q_last);
    struct Block {
        bool some, all;
    };
    Block block(int64_t kv_first, int64_t kv_last);
    /// Whether some range reaches into kv_first … kv_last.
    bool in_ranges(int64_t kv_first, int64_t kv_last) const;

private:
    Program ranges_, block_;
    const std::vector<ParamValue> &params_;
    Bindings bindings_;
    std::vector<Range> values_;
};

struct BlockCounts {
    int64_t needed = 0;   ///< blocks that hold a visible pair
    int64_t visited = 0;  ///< blocks that the plan does not skip
    int64_t full = 0;     ///< blocks all of whose pairs are visible
    int64_t called_full = 0;
};
/// All blocks of block_q rows x block_kv keys. any, all: pairs that some, every head of h_first … h_last sees. The first violation is
/// written to `problem`: a visible pair outside the ranges or in a skipped block, a hidden one in a full block, or "all" without "some".
BlockCounts check_blocks(PlanValues &plan, const PairCounts &any, const PairCounts &all, const Sequence &sequence, int64_t block_q,
                         int64_t block_kv, std::string &problem);

}  // namespace attune::test

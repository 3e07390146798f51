#include "tests/plan/plan_check.h"
#include "tests/plan/random_masks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace attune::test {
namespace {

constexpr int64_t batch = 2, heads = 4;

std::string describe(const std::string &mask, const Sequence &s, int64_t h0, int64_t h1, int64_t block_q, int64_t block_kv,
                     const std::vector<ParamValue> &v) {
    return "mask " + mask + "\nsq " + std::to_string(s.seq_len_q) + " skv " + std::to_string(s.seq_len_kv) + " b " + std::to_string(s.b) +
           " hkv " + std::to_string(s.hkv) + " heads " + std::to_string(h0) + " … " + std::to_string(h1) + " blocks " +
           std::to_string(block_q) + " x " + std::to_string(block_kv) + " n " + std::to_string(v[0].integer) + " m " +
           std::to_string(v[1].integer) + " x " + std::to_string(v[2].real);
}

/// A mask against every pair of one sequence, in several block sizes and ranges of heads.
void check_mask(const Expression &mask, const BlockPlan &plan, Random &random, const std::vector<ParamValue> &values, int64_t seq_len_q,
                int64_t seq_len_kv, BlockCounts &total) {
    const Sequence s{random.between(0, batch - 1), random.between(0, 1), seq_len_q, seq_len_kv};
    const int64_t h0 = random.between(0, heads - 1), h1 = random.chance(60) ? h0 : random.between(h0, heads - 1);

    Program program({mask.root});
    Bindings bindings;
    bindings[Variable::b] = s.b;
    bindings[Variable::hkv] = s.hkv;
    bindings[Variable::seq_len_q] = s.seq_len_q;
    bindings[Variable::seq_len_kv] = s.seq_len_kv;
    std::vector<uint8_t> any(static_cast<size_t>(seq_len_q * seq_len_kv)), all(any.size(), 1);
    for (int64_t h = h0; h <= h1; h++)
        for (int64_t q = 0, i = 0; q < seq_len_q; q++)
            for (int64_t kv = 0; kv < seq_len_kv; kv++, i++) {
                bindings[Variable::h] = h;
                bindings[Variable::q] = q;
                bindings[Variable::kv] = kv;
                const bool visible = program.run(bindings, values)[0].integer != 0;
                any[static_cast<size_t>(i)] |= visible;
                all[static_cast<size_t>(i)] &= visible;
            }
    const auto of = [&](const std::vector<uint8_t> &matrix) {
        return PairCounts(seq_len_q, seq_len_kv, [&](int64_t q, int64_t kv) { return matrix[static_cast<size_t>(q * seq_len_kv + kv)]; });
    };
    const PairCounts any_counts = of(any), all_counts = of(all);
    PlanValues plan_values(plan, values);
    plan_values.set(s, h0, h1);
    for (int i = 0; i < 3; i++) {
        const int64_t block_q = random.between(1, 48), block_kv = random.between(4, 64);
        std::string problem;
        const BlockCounts counts = check_blocks(plan_values, any_counts, all_counts, s, block_q, block_kv, problem);
        ASSERT_EQ(problem, "") << describe(mask.text, s, h0, h1, block_q, block_kv, values);
        total.needed += counts.needed;
        total.visited += counts.visited;
        total.full += counts.full;
        total.called_full += counts.called_full;
    }
}

constexpr int masks_each = 300;

/// 3000 masks in all, each at five pairs of lengths; every tenth at 300 x 300 too.
class RandomSoundness : public testing::TestWithParam<int> {};

TEST_P(RandomSoundness, NothingVisibleIsSkippedNothingHiddenIsFull) {
    Random random(1000 + static_cast<uint64_t>(GetParam()));
    RandomMasks masks(random);
    BlockCounts total;
    for (int i = 0; i < masks_each; i++) {
        const Expression mask = masks.parsed(static_cast<int>(random.between(0, 4)));
        const std::string &text = mask.text;
        const BlockPlan plan = plan_blocks(mask.root, RandomMasks::params());
        ASSERT_GE(plan.ranges.size(), 1u) << text;
        ASSERT_LE(plan.ranges.size(), static_cast<size_t>(BlockPlan::max_ranges)) << text;
        for (const Variable v : {Variable::h, Variable::q, Variable::kv}) {
            ASSERT_FALSE(mentions(plan.some, v) || mentions(plan.all, v)) << text;
            for (const KeyRange &range : plan.ranges)
                ASSERT_FALSE(mentions(range.first, v) || mentions(range.last, v)) << text;
        }
        std::vector<std::pair<int64_t, int64_t>> lengths = {{1, random.between(1, 150)},
                                                            {random.between(1, 60), random.between(1, 60)},
                                                            {random.between(20, 90), random.between(1, 20)},
                                                            {random.between(30, 60), random.between(60, 120)},
                                                            {random.between(100, 150), random.between(100, 150)}};
        if (i % 10 == 0)
            lengths.push_back({300, 300});
        for (const auto &[seq_len_q, seq_len_kv] : lengths)
            ASSERT_NO_FATAL_FAILURE(check_mask(mask, plan, random, masks.values(batch, heads, seq_len_kv), seq_len_q, seq_len_kv, total));
    }
    fmt::print("{} masks: {} blocks hold a visible pair, {} visited; {} are full, {} called full\n", masks_each, total.needed,
               total.visited, total.full, total.called_full);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSoundness, testing::Range(0, 10));

/// Integers of 64 bits wrap: what is true at both ends of a block need not be between them.
TEST(Soundness, HoldsWhereIntegersWrap) {
    Random random(17);
    RandomMasks masks(random);
    BlockCounts total;
    for (const char *text :
         {"n * n * n * kv < m", "n * n * 4 * kv + q > 0", "(n * n + kv) * (m * m) <= q", "kv * n * n * 3 - q * m * m < 0",
          "(n * n * kv) % 7 < 3", "(n * n * 5 * q_abs) / 9 >= kv", "abs(n * n * 3 * kv) < 9", "max(n * n * n * kv, q) > n",
          "n * n * n * kv == m * q", "kv * 4611686018427387904 > q", "9223372036854775807 + kv < q", "n * n * 2 * kv <= n * n * 2 * q",
          "floor(x * 1e18) * 16 + kv < q", "kv + floor(x * 1e30) > q_abs", "(kv - q) * n * m < n * n * 2"}) {
        const Expression mask = parse(text, RandomMasks::params());
        const BlockPlan plan = plan_blocks(mask.root, RandomMasks::params());
        for (const int64_t n : {INT32_MIN, INT32_MAX, INT32_MAX - 5, 1 << 30, 3})
            for (const int64_t m : {INT32_MIN, INT32_MAX, -7}) {
                std::vector<ParamValue> values = masks.values(batch, heads, 60);
                values[0].integer = n;
                values[1].integer = m;
                ASSERT_NO_FATAL_FAILURE(check_mask(mask, plan, random, values, 40, 60, total));
            }
    }
}

}  // namespace
}  // namespace attune::test

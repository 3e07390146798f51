#include "tests/plan/plan_check.h"
#include "tests/plan/random_masks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace attune::test {
namespace {

/// Of a mask: its ranges as `attune explain` prints them, and what they must be for rows first … last, i their positions among the keys.
struct RangeCase {
    const char *mask;
    std::vector<std::string> formulas;
    std::function<std::vector<PlanValues::Range>(int64_t i_first, int64_t i_last, int64_t seq_len_kv)> expected;
};

std::vector<RangeCase> cases() {
    using Ranges = std::vector<PlanValues::Range>;
    return {
        {"causal",
         {"0 … q_last + seq_len_kv - seq_len_q"},
         [](int64_t, int64_t last, int64_t) {
             return Ranges{{0, last}};
         }},
        {"causal && window(20)",
         {"q_first + seq_len_kv - seq_len_q - 20 … q_last + seq_len_kv - seq_len_q"},
         [](int64_t first, int64_t last, int64_t) {
             return Ranges{{first - 20, last}};
         }},
        {"window(n, 5)",
         {"q_first - n + seq_len_kv - seq_len_q … q_last + seq_len_kv - seq_len_q + 5"},
         [](int64_t first, int64_t last, int64_t) {
             return Ranges{{first - 13, last + 5}};
         }},
        {"abs(q_abs - kv) <= 9",
         {"q_first + seq_len_kv - seq_len_q - 9 … q_last + seq_len_kv - seq_len_q + 9"},
         [](int64_t first, int64_t last, int64_t) {
             return Ranges{{first - 9, last + 9}};
         }},
        {"prefix(n) || causal",
         {"0 … max(q_last + seq_len_kv - seq_len_q, n - 1)"},
         [](int64_t, int64_t last, int64_t) {
             return Ranges{{0, std::max<int64_t>(last, 12)}};
         }},
        {"causal && (window(20) || kv < 4)",
         {"q_first + seq_len_kv - seq_len_q - 20 … q_last + seq_len_kv - seq_len_q", "0 … min(3, q_last + seq_len_kv - seq_len_q)"},
         [](int64_t first, int64_t last, int64_t) {
             return Ranges{{first - 20, last}, {0, std::min<int64_t>(3, last)}};
         }},
        {"global(3) || window(2, 2)",
         {"0 … max(2, select(q_first + seq_len_kv - seq_len_q <= 2, seq_len_kv - 1, -1))",
          "q_first + seq_len_kv - seq_len_q - 2 … q_last + seq_len_kv - seq_len_q + 2"},
         [](int64_t first, int64_t last, int64_t keys) {
             return Ranges{{0, std::max<int64_t>(2, first <= 2 ? keys - 1 : -1)}, {first - 2, last + 2}};
         }},
        {"!(kv > q_abs || q_abs - kv > 7)",
         {"q_first + seq_len_kv - seq_len_q - 7 … q_last + seq_len_kv - seq_len_q"},
         [](int64_t first, int64_t last, int64_t) {
             return Ranges{{first - 7, last}};
         }},
        {"3 * kv <= q_abs && kv * 2 > q_abs - 40",
         {"(q_first + seq_len_kv - seq_len_q - 38) / 2 … (q_last + seq_len_kv - seq_len_q) / 3"},
         [](int64_t first, int64_t last, int64_t) {
             const auto floor_divide = [](int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); };
             return Ranges{{-floor_divide(-(first - 39), 2), floor_divide(last, 3)}};
         }},
        {"true",
         {"0 … seq_len_kv - 1"},
         [](int64_t, int64_t, int64_t keys) {
             return Ranges{{0, keys - 1}};
         }},
        {"kv < 0",
         {"0 … -1"},
         [](int64_t, int64_t, int64_t) {
             return Ranges{{0, -1}};
         }},
    };
}

TEST(KeyRanges, AreWhatOneWouldWriteByHand) {
    const auto params = declare({{"n", "i32"}});
    std::vector<ParamValue> values(1);
    values[0].integer = 13;
    Random random(11);
    for (const RangeCase &c : cases()) {
        const BlockPlan plan = plan_blocks(parse(c.mask, params).root, params);
        std::vector<std::string> formulas;
        for (const KeyRange &range : plan.ranges)
            formulas.push_back(print_expression(range.first, params) + " … " + print_expression(range.last, params));
        EXPECT_EQ(formulas, c.formulas) << c.mask;
        PlanValues at(plan, values);
        for (int i = 0; i < 200; i++) {
            const Sequence s{0, 0, random.between(1, 500), random.between(1, 500)};
            const int64_t q0 = random.between(0, s.seq_len_q - 1), q1 = random.between(q0, s.seq_len_q - 1),
                          shift = s.seq_len_kv - s.seq_len_q;
            at.set(s, 0, 0);
            const auto found = at.rows(q0, q1);
            const auto expected = c.expected(q0 + shift, q1 + shift, s.seq_len_kv);
            ASSERT_EQ(found.size(), expected.size()) << c.mask;
            for (size_t k = 0; k < found.size(); k++) {
                const std::string where = fmt::format("{}: rows {} … {} of {}, {} keys", c.mask, q0, q1, s.seq_len_q, s.seq_len_kv);
                EXPECT_EQ(found[k].first, expected[k].first) << where;
                EXPECT_EQ(found[k].last, expected[k].last) << where;
            }
        }
    }
}

TEST(KeyRanges, NeverExceedTheirNumber) {
    std::string mask = "kv == 0";
    for (int i = 1; i < 300; i++)
        mask += fmt::format(" || kv == {} + q / {}", 7 * i, i + 1);
    const BlockPlan plan = plan_blocks(parse(mask, {}).root, {});
    EXPECT_LE(plan.ranges.size(), static_cast<size_t>(BlockPlan::max_ranges));
}

TEST(KeyRanges, OfNoMaskAreTheSequence) {
    const BlockPlan plan = plan_blocks(nullptr, {});
    ASSERT_EQ(plan.ranges.size(), 1u);
    EXPECT_EQ(print_expression(plan.ranges[0].first, {}), "0");
    EXPECT_EQ(print_expression(plan.ranges[0].last, {}), "seq_len_kv - 1");
    EXPECT_EQ(print_expression(plan.some, {}), "true");
    EXPECT_EQ(print_expression(plan.all, {}), "true");
}

}  // namespace
}  // namespace attune::test

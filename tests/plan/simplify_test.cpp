#include "generator/plan/simplify.h"
#include "tests/plan/random_masks.h"

#include <gtest/gtest.h>

namespace attune::test {
namespace {

Bindings random_bindings(Random &random) {
    Bindings bindings;
    for (const Variable v : {Variable::b, Variable::hkv})
        bindings[v] = random.between(0, 1);
    bindings[Variable::h] = random.between(0, 3);
    bindings[Variable::seq_len_q] = random.between(1, 200);
    bindings[Variable::seq_len_kv] = random.between(1, 200);
    bindings[Variable::q] = random.between(0, bindings[Variable::seq_len_q] - 1);
    bindings[Variable::kv] = random.between(0, bindings[Variable::seq_len_kv] - 1);
    return bindings;
}

TEST(Simplifier, KeepsTheValueOfRandomExpressions) {
    Random random(7);
    RandomMasks masks(random);
    for (int i = 0; i < 3000; i++) {
        const bool boolean = random.chance(50);
        const Expression e = boolean ? masks.parsed(4) : masks.parsed(5, ExprType::integer);
        Simplifier simplifier(RandomMasks::params());
        const ExprPtr simple = simplifier.simplify(e.root);
        Program program({e.root, simple});
        for (int k = 0; k < 20; k++) {
            const auto values = masks.values(2, 4, 200);
            const auto &results = program.run(random_bindings(random), values);
            ASSERT_EQ(results[0].integer, results[1].integer) << e.text << "\nis " << print_expression(simple, RandomMasks::params())
                                                              << "\nn " << values[0].integer << " m " << values[1].integer;
            if (boolean)
                continue;
            const ValueRange range = simplifier.range(simple);
            ASSERT_LE(range.low, static_cast<double>(results[0].integer)) << e.text;
            ASSERT_GE(range.high, static_cast<double>(results[0].integer)) << e.text;
        }
    }
}

struct Simple {
    const char *from, *to;
};
class Simplify : public testing::TestWithParam<Simple> {};

TEST_P(Simplify, PrintsAs) {
    const auto params = declare({{"n", "i32"}, {"m", "i32"}});
    Simplifier simplifier(params);
    EXPECT_EQ(print_expression(simplifier.simplify(parse(GetParam().from, params).root), params), GetParam().to);
}

INSTANTIATE_TEST_SUITE_P(Cases, Simplify,
                         testing::Values(Simple{"q + 0 < n * 1", "q < n"}, Simple{"min(n, n) > q", "q < n"},
                                         Simple{"n > 3 && true", "n >= 4"}, Simple{"select(1 < 2, q, kv) < n", "q < n"},
                                         Simple{"kv - kv + q < n", "q < n"},
                                         Simple{"q_abs - 3 <= kv", "kv >= q + seq_len_kv - seq_len_q - 3"},
                                         Simple{"2 * kv <= 5", "kv <= 2"}, Simple{"2 * kv == 5", "false"}, Simple{"kv >= 0", "true"},
                                         Simple{"max(q, n) <= 7", "q <= 7 && n <= 7"}, Simple{"!(q < n)", "q >= n"},
                                         Simple{"(4 * q + 3) / 4 < n", "q < n"}, Simple{"(4 * q + 3) % 4 == n", "n == 3"},
                                         Simple{"kv % n == q % n", "kv % n == q % n"},
                                         Simple{"n <= 3 && m < 2 && n <= 5", "n <= 3 && m <= 1"}, Simple{"n <= 3 || n <= 5", "n <= 5"},
                                         Simple{"n <= 5 && n <= 3", "n <= 3"}, Simple{"m == 2 || (n < m || n <= m)", "m == 2 || m >= n"},
                                         Simple{"causal || causal && n < m", "kv <= q + seq_len_kv - seq_len_q"}));

TEST(Simplifier, SharesEqualParts) {
    const auto params = declare({{"n", "i32"}});
    Simplifier simplifier(params);
    const ExprPtr a = simplifier.simplify(parse("q_abs + n <= kv", params).root);
    const ExprPtr b = simplifier.simplify(parse("!(n + 1 > kv - q_abs + 1)", params).root);
    EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace attune::test

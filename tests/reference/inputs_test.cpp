#include "tests/reference/small_problem.h"

namespace attune {
namespace {

TEST(Inputs, NormalNumbersAreTheSameOnEveryMachine) {
    NormalGenerator normal(42);
    // Exact: made once by this generator, and within 4e-16 of mt19937_64 and the polar method in Python's decimal numbers.
    for (const double x : {-0.41489329281203352, -0.61166770649380275, -1.3228193295693611, 0.72729735532786055, -1.6409842934251369, 1.5958128060064589})
        EXPECT_EQ(normal(), x);
}

TEST(Inputs, NormalNumbersHaveTheMomentsOfN01) {
    NormalGenerator normal(7);
    constexpr int n = 400000;
    double moment[5] = {};
    int beyond_3 = 0;
    for (int i = 0; i < n; i++) {
        const double x = normal();
        for (int k = 1; k <= 4; k++) moment[k] += std::pow(x, k) / n;
        beyond_3 += std::abs(x) > 3;
    }
    EXPECT_NEAR(moment[1], 0, 0.01);
    EXPECT_NEAR(moment[2], 1, 0.01);
    EXPECT_NEAR(moment[3], 0, 0.03);
    EXPECT_NEAR(moment[4], 3, 0.06);
    EXPECT_NEAR(beyond_3, n * 0.0027, n * 0.0004);
}

TEST(Inputs, SameSeedSameArraysAnotherSeedOthers) {
    ReferenceProblem a = test::random_problem(3, 5), b = a, c = a;
    fill_inputs(b, InputKind::normal, DType::f32, 1);
    fill_inputs(c, InputKind::normal, DType::f32, 2);
    EXPECT_EQ(a.query, b.query);
    EXPECT_NE(a.query, c.query);
    EXPECT_NE(a.query[0], a.key[0]);
    EXPECT_NE(a.key[0], a.value[0]);
}

TEST(Inputs, AreRoundedToTheType) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
        for (const InputKind kind : {InputKind::normal, InputKind::wide_8, InputKind::wide_20, InputKind::spike}) {
            ReferenceProblem p = test::random_problem(3, 5);
            p.lengths_kv = {4};
            fill_inputs(p, kind, dtype, 3);
            for (const auto *array : {&p.query, &p.key, &p.value})
                for (const double x : *array) {
                    EXPECT_EQ(x, round_to(dtype, x));
                    EXPECT_TRUE(std::isfinite(x));
                }
        }
}

TEST(Inputs, WideScalesQueryAndKey) {
    ReferenceProblem p = test::random_problem(3, 5), wide = p;
    fill_inputs(wide, InputKind::wide_20, DType::f32, 1);
    EXPECT_NEAR(wide.query[0], 20 * p.query[0], 1e-5);
    EXPECT_NEAR(wide.key[0], 20 * p.key[0], 1e-5);
    EXPECT_EQ(wide.value, p.value);
}

TEST(Inputs, SpikeEnlargesOneVisibleKeyAndThoseThatAreHidden) {
    ReferenceProblem p = test::random_problem(9, 9), spike = p;
    p.lengths_kv = spike.lengths_kv = {8};
    spike.visible = test::visible_causal;
    fill_inputs(spike, InputKind::spike, DType::f32, 1);
    for (int64_t kv = 0; kv < 9; kv++) {
        const double factor = kv == 8 || kv == 7 ? 10000 : kv == 2 ? 100 : 1;  // padding, last (hidden from all rows but the last), 8 / 3
        EXPECT_NEAR(spike.key[kv * 4] / p.key[kv * 4], factor, factor * 1e-6) << kv;
    }
    spike.visible = {};
    fill_inputs(spike, InputKind::spike, DType::f32, 1);
    EXPECT_EQ(spike.key[7 * 4], p.key[7 * 4]);
}

TEST(Inputs, WordsOfTheFlag) {
    EXPECT_EQ(input_kinds("normal").size(), 1u);
    EXPECT_EQ(input_kinds("wide").size(), 2u);
    EXPECT_EQ(input_kinds("spike").size(), 1u);
    EXPECT_TRUE(input_kinds("other").empty());
    EXPECT_STREQ(input_kind_name(InputKind::wide_20), "wide_20");
}

}  // namespace
}  // namespace attune

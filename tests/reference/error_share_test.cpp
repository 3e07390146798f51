#include "tests/reference/small_problem.h"

#include <stdexcept>

namespace attune {
namespace {

using test::infinity;
using test::nan_value;
using test::random_problem;

class ErrorShareTest : public testing::Test {
protected:
    ReferenceProblem problem = random_problem(3, 8, 16, 3);
    ReferenceResult expected;
    std::vector<double> output;
    std::vector<float> lse;

    void SetUp() override { reset(); }
    void reset() {
        expected = reference_attention(problem);
        output = expected.output;
        lse.assign(expected.lse.begin(), expected.lse.end());
    }
    ErrorShare share(int bits = 24, int min_exponent = -126) const { return error_share(problem, expected, output, lse, {bits, min_exponent}); }
    double score_error(int row) const { return expected.lse_error[row]; }
};

TEST_F(ErrorShareTest, ExactIsZero) {
    lse.clear();
    const ErrorShare s = share();
    EXPECT_EQ(s.output, 0);
    EXPECT_EQ(s.r, 0);
    EXPECT_EQ(s.lse, 0);
    EXPECT_EQ(s.worst_index, 0);
}

TEST_F(ErrorShareTest, RoundedToItsTypeIsInsideTheBound) {
    for (const auto &[dtype, bits, min_exponent] : {std::tuple{DType::f32, 24, -126}, {DType::f16, 11, -14}, {DType::bf16, 8, -126}}) {
        for (size_t i = 0; i < output.size(); i++) output[i] = round_to(dtype, expected.output[i]);
        const ErrorShare s = share(bits, min_exponent);
        EXPECT_LT(s.output, 1) << bits;
        EXPECT_LT(s.r, 1.01) << bits;
        EXPECT_LT(s.lse, 0.1) << bits;
    }
}

TEST_F(ErrorShareTest, OutputFollowsTheFormula) {
    const size_t i = 4;  // row 1
    expected.output[i] = output[i] = 0.75;  // ulp 2^-24 in f32
    const double bound = 0x1p-25 + (8 * 0x1p-24 + 2 * score_error(1)) * expected.value_abs[i] + 0x1p-120;
    output[i] += bound / 2;
    EXPECT_NEAR(share().output, 0.5, 1e-6);
    EXPECT_EQ(share().worst_index, 4);
    EXPECT_NEAR(share().r, bound / 2 / (0x1p-24 * expected.value_abs[i]), 1e-6);
    const double bound_f16 = bound - 0x1p-25 + 0x1p-12;  // ulp 2^-11
    EXPECT_NEAR(share(11, -14).output, bound / 2 / bound_f16, 1e-6);
}

TEST_F(ErrorShareTest, UlpStopsAtTheSmallestNormal) {
    expected.output[0] = 0;
    expected.value_abs[0] = expected.output_error[0] = 0;
    output[0] = 0x1p-25;  // half of the spacing 2^-24 of subnormal f16
    EXPECT_NEAR(share(11, -14).output, 1, 1e-6);
    EXPECT_EQ(share(11, -14).r, infinity);
}

TEST_F(ErrorShareTest, LseFollowsTheFormula) {
    expected.lse[2] = 4;
    lse[2] = 4 + 0x1p-20f;
    const double bound = score_error(2) + 8 * 0x1p-24 * 4 + 0x1p-120;
    EXPECT_NEAR(share().lse, 0x1p-20 / bound, 1e-9);
}

TEST_F(ErrorShareTest, WrongKernelsExceedTheBound) {
    const auto wrong = [&](const char *what, auto change) {
        ReferenceProblem other = problem;
        change(other);
        const ReferenceResult r = reference_attention(other);
        output = r.output;
        lse.assign(r.lse.begin(), r.lse.end());
        EXPECT_GT(share().output, 10) << what;
        EXPECT_GT(share().lse, 10) << what;
    };
    wrong("a key is forgotten", [](ReferenceProblem &p) { p.lengths_kv = {7}; });
    wrong("the mask is another", [](ReferenceProblem &p) { p.visible = test::visible_causal; });
    wrong("the scale is off by 1e-3", [](ReferenceProblem &p) { p.softmax_scale *= 1.001; });
    wrong("keys in f16", [](ReferenceProblem &p) {
        for (double &x : p.key) x = round_to(DType::f16, x);
    });
}

TEST_F(ErrorShareTest, NanMustMeetNan) {
    output[2] = nan_value;
    EXPECT_EQ(share().output, infinity);
    EXPECT_EQ(share().worst_index, 2);
    lse[0] = static_cast<float>(nan_value);
    EXPECT_EQ(share().lse, infinity);

    problem.query[0] = nan_value;  // row 0 is NaN now
    reset();
    EXPECT_EQ(share().output, 0);
    EXPECT_LT(share().lse, 1);
    output[0] = 0;
    EXPECT_EQ(share().output, infinity);
    output[0] = nan_value;
    lse[0] = 0;
    EXPECT_EQ(share().lse, infinity);
}

TEST_F(ErrorShareTest, InfinityMustMeetTheSameInfinity) {
    output[1] = infinity;
    EXPECT_EQ(share().output, infinity);
    expected.output[1] = infinity;
    EXPECT_EQ(share().output, 0);
    output[1] = -infinity;
    EXPECT_EQ(share().output, infinity);
    output[1] = 1;
    EXPECT_EQ(share().output, infinity);
}

TEST_F(ErrorShareTest, RowsThatSeeNothingMustBeZeroAndMinusInfinity) {
    problem.lengths_kv = {0};
    reset();
    EXPECT_EQ(share().output, 0);
    EXPECT_EQ(share().lse, 0);
    output[5] = 1e-44;
    EXPECT_EQ(share().output, infinity);
    EXPECT_EQ(share().worst_index, 5);
    output[5] = 0;
    lse[1] = -1e30f;
    EXPECT_EQ(share().lse, infinity);
    lse[1] = static_cast<float>(infinity);
    EXPECT_EQ(share().lse, infinity);
}

TEST_F(ErrorShareTest, RefusesAnotherSize) {
    output.pop_back();
    EXPECT_THROW(share(), std::invalid_argument);
}

}  // namespace
}  // namespace attune

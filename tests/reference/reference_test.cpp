#include "tests/reference/small_problem.h"

#include <stdexcept>

namespace attune {
namespace {

using test::infinity;
using test::nan_value;
using test::random_problem;

// ---- cases with a closed form ----------------------------------------------------------------------------------------------

TEST(Reference, OneKeyGivesItsValue) {
    const ReferenceProblem p = random_problem(2, 1);
    const ReferenceResult r = reference_attention(p);
    for (int64_t q = 0; q < 2; q++) {
        double dot = 0, dot_abs = 0;
        for (int d = 0; d < 4; d++) {
            dot += p.query[q * 4 + d] * p.key[d];
            dot_abs += std::abs(p.query[q * 4 + d] * p.key[d]);
        }
        EXPECT_DOUBLE_EQ(r.lse[q], dot / 2);
        EXPECT_DOUBLE_EQ(r.lse_error[q], 0x1p-24 * (4 + 8) * dot_abs / 2);
        for (int d = 0; d < 3; d++) {
            EXPECT_EQ(r.output[q * 3 + d], p.value[d]);
            EXPECT_EQ(r.value_abs[q * 3 + d], std::abs(p.value[d]));
        }
    }
    EXPECT_EQ(r.visible_pairs, 2);
}

TEST(Reference, EqualKeysGiveTheMeanAndLogOfTheirNumber) {
    ReferenceProblem p = random_problem(1, 5);
    for (size_t i = 0; i < p.key.size(); i++) p.key[i] = p.key[i % 4];
    const ReferenceResult r = reference_attention(p);
    double dot = 0;
    for (int d = 0; d < 4; d++) dot += p.query[d] * p.key[d];
    EXPECT_NEAR(r.lse[0], dot / 2 + std::log(5), 1e-14);
    for (int d = 0; d < 3; d++) {
        double mean = 0, mean_abs = 0;
        for (int kv = 0; kv < 5; kv++) {
            mean += p.value[kv * 3 + d] / 5;
            mean_abs += std::abs(p.value[kv * 3 + d]) / 5;
        }
        EXPECT_NEAR(r.output[d], mean, 1e-14);
        EXPECT_NEAR(r.value_abs[d], mean_abs, 1e-14);
    }
}

TEST(Reference, TwoKeysGiveTheLogisticFunction) {
    ReferenceProblem p;
    p.seq_len_q = 1, p.seq_len_kv = 2, p.head_dim = 1, p.head_dim_v = 1, p.softmax_scale = 0.5;
    p.query = {2}, p.key = {1, 4}, p.value = {0, 1};
    const ReferenceResult r = reference_attention(p);
    EXPECT_NEAR(r.output[0], 1 / (1 + std::exp(-3.0)), 1e-15);  // logits 1 and 4
    EXPECT_NEAR(r.lse[0], std::log(std::exp(1.0) + std::exp(4.0)), 1e-14);
    EXPECT_EQ(r.lse_error[0], 0x1p-24 * 9 * 4);
}

TEST(Reference, LargeLogitsDoNotOverflow) {
    ReferenceProblem p;
    p.seq_len_q = 1, p.seq_len_kv = 2, p.head_dim = 1, p.head_dim_v = 1;
    p.query = {1000}, p.key = {1000, 999}, p.value = {3, 5};
    const ReferenceResult r = reference_attention(p);
    EXPECT_EQ(r.output[0], 3);
    EXPECT_EQ(r.lse[0], 1e6);
}

// ---- heads, lengths, masks -------------------------------------------------------------------------------------------------

TEST(Reference, GroupedHeadsShareAKeyHead) {
    const ReferenceProblem p = random_problem(3, 5, 4, 3, 6, 2, 2);
    const ReferenceResult all = reference_attention(p);
    for (int64_t b = 0; b < 2; b++)
        for (int64_t h = 0; h < 6; h++) {
            ReferenceProblem one = random_problem(3, 5);
            const int64_t kv_head = b * 2 + h / 3, head = b * 6 + h;
            one.query.assign(p.query.begin() + head * 12, p.query.begin() + (head + 1) * 12);
            one.key.assign(p.key.begin() + kv_head * 20, p.key.begin() + (kv_head + 1) * 20);
            one.value.assign(p.value.begin() + kv_head * 15, p.value.begin() + (kv_head + 1) * 15);
            const ReferenceResult r = reference_attention(one);
            for (int64_t i = 0; i < 9; i++) EXPECT_EQ(all.output[head * 9 + i], r.output[i]);
            for (int64_t q = 0; q < 3; q++) EXPECT_EQ(all.lse[head * 3 + q], r.lse[q]);
        }
    EXPECT_EQ(all.visible_pairs, 2 * 6 * 3 * 5);
}

TEST(Reference, RowsAndKeysBeyondTheLengthsDoNotCount) {
    ReferenceProblem p = random_problem(4, 6);
    p.lengths_q = {2};
    p.lengths_kv = {3};
    p.visible = test::visible_causal;  // sees the sequence's own lengths: row 0 sees keys 0 and 1
    for (size_t i = 3 * 4; i < p.key.size(); i++) p.key[i] = nan_value;
    for (size_t i = 3 * 3; i < p.value.size(); i++) p.value[i] = infinity;
    for (size_t i = 2 * 4; i < p.query.size(); i++) p.query[i] = nan_value;
    const ReferenceResult r = reference_attention(p);
    EXPECT_EQ(r.visible_pairs, 5);

    ReferenceProblem small = random_problem(2, 3);
    small.query.assign(p.query.begin(), p.query.begin() + 8);
    small.key.assign(p.key.begin(), p.key.begin() + 12);
    small.value.assign(p.value.begin(), p.value.begin() + 9);
    small.visible = test::visible_causal;
    const ReferenceResult s = reference_attention(small);
    for (int i = 0; i < 6; i++) EXPECT_EQ(r.output[i], s.output[i]);
    for (int i = 6; i < 12; i++) EXPECT_EQ(r.output[i], 0);
    for (int q = 0; q < 2; q++) EXPECT_EQ(r.lse[q], s.lse[q]);
    for (int q = 2; q < 4; q++) EXPECT_EQ(r.lse[q], -infinity);
}

TEST(Reference, RowsThatSeeNoKeyAreZero) {
    ReferenceProblem p = random_problem(4, 2);
    p.visible = test::visible_causal;
    const ReferenceResult r = reference_attention(p);
    for (int i = 0; i < 6; i++) EXPECT_TRUE(r.output[i] == 0 && !std::signbit(r.output[i]));
    EXPECT_EQ(r.lse[0], -infinity);
    EXPECT_EQ(r.lse[1], -infinity);
    EXPECT_EQ(r.visible_pairs, 3);
}

TEST(Reference, NoKeysAndNothingAtAllAreLegal) {
    const ReferenceResult no_keys = reference_attention(random_problem(2, 0));
    EXPECT_EQ(no_keys.output, std::vector<double>(6, 0.0));
    EXPECT_EQ(no_keys.lse, std::vector<double>(2, -infinity));
    EXPECT_TRUE(reference_attention(random_problem(0, 3)).output.empty());
    EXPECT_TRUE(reference_attention(random_problem(2, 3, 4, 3, 1, 1, 0)).output.empty());
}

// ---- values that are not finite, sentinels ---------------------------------------------------------------------------------

TEST(Reference, HiddenNanIsNeverTouched) {
    ReferenceProblem p = random_problem(3, 3);
    p.visible = test::visible_causal;
    const ReferenceResult clean = reference_attention(p);
    for (int d = 0; d < 4; d++) p.key[8 + d] = nan_value;  // seen by row 2 only
    for (int d = 0; d < 3; d++) p.value[6 + d] = infinity;
    const ReferenceResult r = reference_attention(p);
    for (int i = 0; i < 6; i++) EXPECT_EQ(r.output[i], clean.output[i]);
    for (int i = 6; i < 9; i++) EXPECT_TRUE(std::isnan(r.output[i]));
    EXPECT_TRUE(std::isnan(r.lse[2]));
}

TEST(Reference, VisibleNanMakesItsRowNan) {
    ReferenceProblem p = random_problem(2, 3);
    p.query[4] = nan_value;
    const ReferenceResult r = reference_attention(p);
    EXPECT_FALSE(std::isnan(r.output[0]) || std::isnan(r.lse[0]));
    EXPECT_TRUE(std::isnan(r.output[3]) && std::isnan(r.lse[1]));
}

TEST(Reference, ANanInAValueReachesItsElementOnly) {
    ReferenceProblem p = random_problem(1, 3);
    p.value[4] = nan_value;
    const ReferenceResult r = reference_attention(p);
    EXPECT_FALSE(std::isnan(r.output[0]) || std::isnan(r.output[2]) || std::isnan(r.lse[0]));
    EXPECT_TRUE(std::isnan(r.output[1]));
}

TEST(Reference, InfiniteScores) {
    ReferenceProblem p;
    p.seq_len_q = 2, p.seq_len_kv = 2, p.head_dim = 1, p.head_dim_v = 1;
    p.query = {1, -1}, p.key = {infinity, 1}, p.value = {3, 5};
    const ReferenceResult r = reference_attention(p);
    EXPECT_TRUE(std::isnan(r.output[0]) && std::isnan(r.lse[0]));  // +inf: inf - inf
    EXPECT_EQ(r.output[1], 5);                                      // -inf hides
    EXPECT_EQ(r.lse[1], -1);
}

TEST(Reference, LogitsBelowTheSentinelAreHidden) {
    ReferenceProblem p;
    p.seq_len_q = 1, p.seq_len_kv = 2, p.head_dim = 1, p.head_dim_v = 1;
    p.query = {1}, p.key = {-1.01e29, -9.9e28}, p.value = {nan_value, 5};
    ReferenceResult r = reference_attention(p);
    EXPECT_EQ(r.output[0], 5);
    EXPECT_DOUBLE_EQ(r.lse_error[0], 0x1p-24 * 9 * 9.9e28);
    p.key[1] = -3.4e38;
    r = reference_attention(p);
    EXPECT_EQ(r.output[0], 0);
    EXPECT_EQ(r.lse[0], -infinity);
}

/// The largest weight meets a value of exactly 0; what is left is made of weights around the smallest normal float.
TEST(Reference, IntegerValuesMayUnderflow) {
    ReferenceProblem p;
    p.seq_len_q = 1, p.seq_len_kv = 2, p.head_dim = 1, p.head_dim_v = 1;
    p.query = {1}, p.key = {0, -84}, p.value = {0, 2};
    const double without = reference_attention(p).output_error[0];
    EXPECT_LT(without, 0x1p-130);
    p.integer_values = true;
    EXPECT_DOUBLE_EQ(reference_attention(p).output_error[0], without + 0x1p-118 * (1 + 3));
}

TEST(Reference, IntegerWeightsAreRounded) {
    ReferenceProblem p;
    p.seq_len_q = 1, p.seq_len_kv = 2, p.head_dim = 1, p.head_dim_v = 2;
    p.query = {1}, p.key = {0, 0}, p.value = {0, 2, 1, -4};
    const std::vector<double> without = reference_attention(p).output_error;
    p.integer_weights = true;
    const std::vector<double> with = reference_attention(p).output_error;
    EXPECT_DOUBLE_EQ(with[0] - without[0], 0x1p-17 * 0.5 + 2 * 0x1p-24 * 2);
    EXPECT_DOUBLE_EQ(with[1] - without[1], 0x1p-17 * 3 + 2 * 0x1p-24 * 2);
}

TEST(Reference, RefusesArraysOfAnotherSize) {
    ReferenceProblem p = random_problem(2, 3);
    p.key.pop_back();
    EXPECT_THROW(reference_attention(p), std::invalid_argument);
    p = random_problem(2, 3);
    p.num_kv_heads = 2;
    EXPECT_THROW(reference_attention(p), std::invalid_argument);
    p = random_problem(2, 3);
    p.lengths_q = {1, 2};
    EXPECT_THROW(reference_attention(p), std::invalid_argument);
}

}  // namespace
}  // namespace attune

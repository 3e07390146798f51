// Sinks, the other normalisers, and the matrices of all pairs.
#include "tests/reference/small_problem.h"

#include <algorithm>
#include <stdexcept>

namespace attune {
namespace {

using test::infinity;
using test::nan_value;
using test::random_problem;

std::vector<double> logits_of(const ReferenceProblem &p, int64_t q) {
    std::vector<double> out;
    for (int64_t kv = 0; kv < p.seq_len_kv; kv++) {
        double sum = 0;
        for (int d = 0; d < p.head_dim; d++) sum += p.query[q * p.head_dim + d] * p.key[kv * p.head_dim + d];
        out.push_back(p.softmax_scale * sum);
    }
    return out;
}

TEST(Sink, TakesWeightAndHasNoValue) {
    ReferenceProblem p = random_problem(3, 5);
    p.sink = {0.7};
    const ReferenceResult r = reference_attention(p);
    for (int64_t q = 0; q < 3; q++) {
        const auto logits = logits_of(p, q);
        double sum = std::exp(0.7), out = 0;
        for (const double x : logits) sum += std::exp(x);
        for (int64_t kv = 0; kv < 5; kv++) out += std::exp(logits[kv]) / sum * p.value[kv * 3];
        EXPECT_NEAR(r.lse[q], std::log(sum), 1e-14);
        EXPECT_NEAR(r.output[q * 3], out, 1e-14);
    }
}

TEST(Sink, IsOfEachHead) {
    ReferenceProblem both = random_problem(2, 3, 4, 3, 2, 1);
    both.sink = {-1, 4};
    const ReferenceResult r = reference_attention(both);
    for (int64_t h = 0; h < 2; h++) {
        ReferenceProblem one = random_problem(2, 3);
        one.query.assign(both.query.begin() + h * 8, both.query.begin() + (h + 1) * 8);
        one.key = both.key;
        one.value = both.value;
        one.sink = {both.sink[h]};
        EXPECT_EQ(reference_attention(one).lse[1], r.lse[h * 2 + 1]);
    }
}

TEST(Sink, OfMinusInfinityIsNone) {
    ReferenceProblem p = random_problem(2, 3), with = p;
    with.sink = {-infinity};
    EXPECT_EQ(reference_attention(p).output, reference_attention(with).output);
    EXPECT_EQ(reference_attention(p).lse, reference_attention(with).lse);
}

TEST(Sink, OfALargeLogitLeavesNothing) {
    ReferenceProblem p = random_problem(1, 3);
    p.sink = {1e4};
    EXPECT_EQ(reference_attention(p).output, std::vector<double>(3, 0.0));
    EXPECT_EQ(reference_attention(p).lse[0], 1e4);
}

TEST(Sink, IsTheLseOfARowThatSeesNothing) {
    ReferenceProblem p = random_problem(4, 2);
    p.visible = test::visible_causal;
    p.lengths_q = {3};
    p.sink = {0.25};
    const ReferenceResult r = reference_attention(p);
    EXPECT_EQ(r.lse[0], 0.25);
    EXPECT_EQ(r.output[0], 0);
    EXPECT_EQ(r.keys_seen, (std::vector<int64_t>{0, 1, 2, 0}));
    EXPECT_EQ(r.lse[3], -infinity);  // no row of the sequence
}

TEST(Sink, NeedsOneLogitAHeadAndSoftmax) {
    ReferenceProblem p = random_problem(2, 3);
    p.sink = {1, 2};
    EXPECT_THROW(reference_attention(p), std::invalid_argument);
    p.sink = {1};
    p.normalizer = Normalizer::sigmoid;
    EXPECT_THROW(reference_attention(p), std::invalid_argument);
}

TEST(SoftmaxPlusOne, IsASinkOfZero) {
    ReferenceProblem p = random_problem(3, 5), sink = p;
    p.normalizer = Normalizer::softmax_plus_one;
    sink.sink = {0};
    EXPECT_EQ(reference_attention(p).output, reference_attention(sink).output);
    EXPECT_EQ(reference_attention(p).lse, reference_attention(sink).lse);
}

TEST(Sigmoid, WeighsEachKeyForItself) {
    ReferenceProblem p = random_problem(2, 4);
    p.normalizer = Normalizer::sigmoid;
    p.visible = test::visible_causal;
    const ReferenceResult r = reference_attention(p);
    const auto logits = logits_of(p, 0);  // row 0 sees keys 0 … 2
    double out = 0;
    for (int64_t kv = 0; kv < 3; kv++) out += 1 / (1 + std::exp(-logits[kv])) * p.value[kv * 3 + 1];
    EXPECT_NEAR(r.output[1], out, 1e-14);
    EXPECT_EQ(r.keys_seen[0], 3);
}

TEST(Sigmoid, RowsThatSeeNothingAreZero) {
    ReferenceProblem p = random_problem(2, 1);
    p.normalizer = Normalizer::sigmoid;
    p.visible = test::visible_causal;
    const ReferenceResult r = reference_attention(p);
    EXPECT_EQ(r.output[0], 0);
    EXPECT_NE(r.output[3], 0);
}

// ---- matrices of all pairs -------------------------------------------------------------------------------------------------

class Pairs : public testing::Test {
protected:
    /// Row 0 sees key 0, row 1 keys 0 and 1; row 2 and key 3 are beyond the lengths.
    void SetUp() override {
        p.lengths_q = {2};
        p.lengths_kv = {3};
        p.visible = test::visible_causal_top_left;
        p.score = [](int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double s) { return std::tanh(s + 1); };
        p.biased_score = [](int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double s) { return s + 1; };
    }
    ReferenceResult run(PairsOutput pairs) {
        p.pairs = pairs;
        return reference_attention(p);
    }
    ReferenceProblem p = random_problem(3, 4);
};

TEST_F(Pairs, LogitsRawAreTheScaledProducts) {
    const ReferenceResult r = run(PairsOutput::logits_raw);
    for (int64_t q = 0; q < 3; q++)
        for (int64_t kv = 0; kv < 4; kv++) {
            if (q < 2 && kv < 3)  // the mask hides none of them
                EXPECT_NEAR(r.pairs[q * 4 + kv], logits_of(p, q)[kv], 1e-15);
            else
                EXPECT_EQ(r.pairs[q * 4 + kv], 0);
        }
}

TEST_F(Pairs, LogitsHaveScoreAndMask) {
    const ReferenceResult r = run(PairsOutput::logits), biased = run(PairsOutput::logits_biased);
    EXPECT_DOUBLE_EQ(r.pairs[0], std::tanh(logits_of(p, 0)[0] + 1));
    EXPECT_DOUBLE_EQ(biased.pairs[0], logits_of(p, 0)[0] + 1);
    for (const ReferenceResult *x : {&r, &biased}) {
        EXPECT_EQ(x->pairs[1], -infinity);
        EXPECT_EQ(x->pairs[2], -infinity);
        EXPECT_EQ(x->pairs[3], 0);
        EXPECT_TRUE(std::isfinite(x->pairs[5]));
        EXPECT_EQ(x->pairs[6], -infinity);
    }
}

TEST_F(Pairs, WeightsSumToOne) {
    const ReferenceResult r = run(PairsOutput::weights);
    EXPECT_EQ(r.pairs[0], 1);
    EXPECT_NEAR(r.pairs[4] + r.pairs[5], 1, 1e-15);
    EXPECT_EQ(r.pairs[1], 0);
    EXPECT_EQ(r.pairs[6], 0);
    EXPECT_EQ(r.pairs[8], 0);
}

TEST_F(Pairs, AreNotMadeUnasked) {
    EXPECT_TRUE(run(PairsOutput::none).pairs.empty());
    EXPECT_EQ(run(PairsOutput::none).output, run(PairsOutput::weights).output);
    EXPECT_EQ(run(PairsOutput::none).visible_pairs, run(PairsOutput::logits_raw).visible_pairs);
}

TEST_F(Pairs, ShareSeesWhatIsOff) {
    for (const PairsOutput pairs : {PairsOutput::logits_raw, PairsOutput::logits_biased, PairsOutput::logits, PairsOutput::weights}) {
        const ReferenceResult r = run(pairs);
        std::vector<double> got = r.pairs;
        EXPECT_EQ(pairs_share(r, got, precision_of(DType::f32)), 0);
        for (double &x : got) x = static_cast<float>(x);
        EXPECT_LE(pairs_share(r, got, precision_of(DType::f32)), 1);
        got[4] += 1e-4;
        EXPECT_GT(pairs_share(r, got, precision_of(DType::f32)), 10);
        got = r.pairs;
        got[1] = pairs == PairsOutput::logits_raw ? nan_value : -1e30;
        EXPECT_GT(pairs_share(r, got, precision_of(DType::f32)), 1e6);
    }
    const ReferenceResult r = run(PairsOutput::weights);
    EXPECT_THROW(pairs_share(r, {}, precision_of(DType::f32)), std::invalid_argument);
}

}  // namespace
}  // namespace attune

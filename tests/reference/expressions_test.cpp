// Specifications in the reference: their expressions against rules written by hand, and what they do to the bound.
#include "generator/reference/expressions.h"

#include "tests/reference/small_problem.h"

namespace attune {
namespace {

using test::infinity;
using test::random_problem;

AttentionSpec spec_of(const std::string &toml) { return validate_spec(read_spec_text("[kernel]\n" + toml, "spec.toml")); }

ParamValue tensor(std::vector<int64_t> extents, std::vector<double> elements) {
    ParamValue value;
    value.extents = std::move(extents);
    value.elements = std::move(elements);
    return value;
}

void expect_same(const ReferenceProblem &a, const ReferenceProblem &b) {
    const ReferenceResult x = reference_attention(a), y = reference_attention(b);
    EXPECT_EQ(x.output, y.output);
    EXPECT_EQ(x.lse, y.lse);
    EXPECT_EQ(x.visible_pairs, y.visible_pairs);
}

TEST(ReferenceExpressions, CausalIsTheHandWrittenRule) {
    for (const auto &[mask, rule] : {std::pair{"causal", 0}, {"causal_top_left", 1}}) {
        ReferenceProblem hand = random_problem(5, 9, 4, 3, 2, 1, 2), made = hand;
        hand.lengths_q = made.lengths_q = {5, 3};
        hand.lengths_kv = made.lengths_kv = {4, 9};
        if (rule == 0)
            hand.visible = test::visible_causal;
        else
            hand.visible = test::visible_causal_top_left;
        set_expressions(made, spec_of(std::string("head_dim = 4\nhead_dim_v = 3\nmask = \"") + mask + "\""), {});
        expect_same(hand, made);
    }
}

TEST(ReferenceExpressions, MasksAndScoresReadEveryVariable) {
    const AttentionSpec spec = spec_of("head_dim = 4\nhead_dim_v = 3\nmask = \"ids[b, kv] <= hkv + n && seq_len_kv - kv > h\"\nscore = \"s "
                                       "+ slopes * (q - kv) / seq_len_q\"\n"
                                       "[params]\nids = \"i32[b, kv]\"\nn = \"i32\"\nslopes = \"f32[h]\"");
    ReferenceProblem hand = random_problem(5, 6, 4, 3, 4, 2, 2), made = hand;
    hand.lengths_kv = made.lengths_kv = {6, 5};
    const std::vector<double> ids = {0, 1, 2, 3, 1, 0, 2, 2, 1, 0, 0, 3}, slopes = {0.5, -1, 2, 0.25};
    ParamValue n;
    n.integer = 1;
    set_expressions(made, spec, {tensor({2, 6}, ids), n, tensor({4}, slopes)});
    hand.softmax_scale = 0.5;
    hand.visible = [&](int64_t b, int64_t h, int64_t, int64_t kv, int64_t, int64_t seq_len_kv) {
        return ids[b * 6 + kv] <= static_cast<double>(h / 2 + 1) && seq_len_kv - kv > h;
    };
    hand.score = [&](int64_t, int64_t h, int64_t q, int64_t kv, int64_t seq_len_q, int64_t, double s) {
        return s + slopes[h] * static_cast<double>(q - kv) / static_cast<double>(seq_len_q);
    };
    expect_same(hand, made);
}

TEST(ReferenceExpressions, CopiesAreIndependent) {
    ReferenceProblem a = random_problem(3, 4);
    set_expressions(a, spec_of("mask = \"causal\""), {});
    const ReferenceProblem b = a;
    EXPECT_TRUE(a.visible(0, 0, 0, 0, 3, 4));
    EXPECT_FALSE(b.visible(0, 0, 0, 3, 3, 4));
    EXPECT_TRUE(a.visible(0, 0, 0, 1, 3, 4));
}

TEST(ReferenceExpressions, NeedAValueForEachParameter) {
    ReferenceProblem p = random_problem(3, 4);
    EXPECT_THROW(set_expressions(p, spec_of("mask = \"kv < n\"\n[params]\nn = \"i32\""), {}), std::invalid_argument);
}

TEST(ReferenceExpressions, AScoreOfMinusInfinityHides) {
    ReferenceProblem p = random_problem(2, 4), without = random_problem(2, 3);
    set_expressions(p, spec_of("head_dim = 4\nhead_dim_v = 3\nscore = \"s + bias\"\n[params]\nbias = \"f32[kv]\""),
                    {tensor({4}, {0, 0, 0, -infinity})});
    without.key.assign(p.key.begin(), p.key.begin() + 12);
    without.value.assign(p.value.begin(), p.value.begin() + 9);
    without.query = p.query;
    const ReferenceResult a = reference_attention(p), b = reference_attention(without);
    EXPECT_EQ(a.output, b.output);
    EXPECT_EQ(a.keys_seen, (std::vector<int64_t>{3, 3}));
    EXPECT_TRUE(std::isfinite(a.lse_error[0]));
}

// ---- the bound -------------------------------------------------------------------------------------------------------------

TEST(ReferenceBound, TakesTheSlopeOfTheScore) {
    ReferenceProblem p = random_problem(3, 5);
    const double plain = reference_attention(p).lse_error[0];
    const auto error_of = [&](auto f) {
        p.score = [f](int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double s) { return f(s); };
        return reference_attention(p).lse_error[0];
    };
    // Three times the scaled product: three times its error, and a few roundings of the result.
    EXPECT_GT(error_of([](double s) { return 3 * s; }), 3 * plain);
    EXPECT_LT(error_of([](double s) { return 3 * s; }), 3 * plain + 8 * 0x1p-24 * 4 * 20);
    // A constant: only the roundings.
    EXPECT_LT(error_of([](double) { return 1.0; }), 8 * 0x1p-24 * 20);
    // A far flatter score than its input.
    EXPECT_LT(error_of([](double s) { return 0.01 * s; }), error_of([](double s) { return s; }));
    // A large term that is added rounds the sum.
    EXPECT_GT(error_of([](double s) { return s - 1e6; }), 8 * 0x1p-24 * 9e5);
}

TEST(ReferenceBound, IsNotLoosenedByKeysWithoutWeight) {
    ReferenceProblem p = random_problem(1, 5);
    p.score = [](int64_t, int64_t, int64_t, int64_t kv, int64_t, int64_t, double s) { return s - 1e5 * static_cast<double>(kv); };
    const ReferenceResult r = reference_attention(p);  // key 0 has all the weight
    p.score = [](int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double s) { return s; };
    const ReferenceResult plain = reference_attention(p);
    EXPECT_LT(r.lse_error[0], 2 * plain.lse_error[0]);
    EXPECT_LT(r.output_error[0], 2 * plain.output_error[0] / plain.value_abs[0] * r.value_abs[0]);
}

TEST(ReferenceBound, HoldsForScoresInFloat) {
    // The same loops with every step in float: inside the bound, and not by a factor of a thousand.
    ReferenceProblem p = random_problem(20, 40, 16, 3);
    const struct {
        const char *name;
        double (*score)(double);
        float (*in_float)(float);
    } scores[] = {{"soft cap", [](double s) { return 3 * std::tanh(s / 3); }, [](float s) { return 3 * std::tanh(s / 3); }},
                  {"bias", [](double s) { return s - 1234.5 * 0.7; }, [](float s) { return s - 1234.5f * 0.7f; }},
                  {"times", [](double s) { return s * 17.3; }, [](float s) { return s * 17.3f; }}};
    for (const auto &[name, score, in_float] : scores) {
        p.score = [score = score](int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double s) { return score(s); };
        const ReferenceResult expected = reference_attention(p);
        ReferenceProblem rounded = p;
        rounded.score = [in_float = in_float](int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, double s) {
            return static_cast<double>(in_float(static_cast<float>(s)));
        };
        const ReferenceResult got = reference_attention(rounded);
        const ErrorShare share = error_share(p, expected, got.output, {got.lse.begin(), got.lse.end()}, precision_of(DType::f32));
        EXPECT_LT(share.output, 1) << name;
        EXPECT_LT(share.lse, 1) << name;
        EXPECT_GT(std::max(share.output, share.lse), 1e-3) << name;
    }
}

// ---- random parameters -----------------------------------------------------------------------------------------------------

TEST(RandomParams, FitTheirDeclarations) {
    const AttentionSpec spec =
        spec_of("mask = \"document(ids) && kv < n && allowed[0, kv] && pos != kv\"\nscore = \"(s + bias + t[h, 3]) * x\"\n[params]\nids = "
                "\"i32[b, kv] nondecreasing\"\nn = \"i32\"\n"
                "allowed = \"bool[m, kv]\"\npos = \"i32[1, q]\"\nbias = \"bf16[hkv, kv]\"\nt = \"f16[h, 7]\"\nx = \"f32\"");
    const auto values = random_params(spec, 2, 6, 3, 10, 40, 1, 5);
    ASSERT_EQ(values.size(), 7u);
    EXPECT_EQ(values[0].extents, (std::vector<int64_t>{2, 40}));
    for (int i = 0; i < 80; i++)
        EXPECT_TRUE(i % 40 == 0 ? values[0].elements[i] == 0 : values[0].elements[i] >= values[0].elements[i - 1]) << i;
    EXPECT_GT(values[0].elements[39], 1);
    EXPECT_TRUE(values[1].integer >= 0 && values[1].integer < 40 && values[1].elements.empty());
    EXPECT_EQ(values[2].extents, (std::vector<int64_t>{5, 40}));
    for (const double x : values[2].elements) EXPECT_TRUE(x == 0 || x == 1);
    EXPECT_EQ(values[3].extents, (std::vector<int64_t>{1, 10}));
    EXPECT_EQ(values[4].elements.size(), 120u);
    for (const double x : values[4].elements) EXPECT_EQ(x, round_to(DType::bf16, x));
    EXPECT_EQ(values[5].extents, (std::vector<int64_t>{6, 7}));
    EXPECT_GE(values[6].real, 0.5);
    EXPECT_EQ(random_params(spec, 2, 6, 3, 10, 40, 1, 5)[4].elements, values[4].elements);
    EXPECT_NE(random_params(spec, 2, 6, 3, 10, 40, 2, 5)[4].elements, values[4].elements);
    for (const ParamValue &value : random_params(spec, 0, 1, 1, 0, 0, 1))
        EXPECT_LE(value.elements.size(), 224u);  // empty problems are legal
}

}  // namespace
}  // namespace attune

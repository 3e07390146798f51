// Specifications with expressions, parameters and normalisers.
#include "tests/spec/spec_file.h"

#include <algorithm>
#include <cmath>

namespace attune {
namespace {

using test::parse_spec;

TEST(SpecExpressions, ReadsEveryKey) {
    const AttentionSpec spec = parse_spec(R"toml(
[kernel]
mask       = "causal&&document(ids) || prefix(n)"
score      = "softcap(s + slopes * q, 30)"
sink       = "sinks"
outputs    = ["logits_raw", "out"]
block_mask = "csr"
block_size = [64, 256]

[params]
slopes = "f32[h]"
n      = "i32"
ids    = "i32[b,kv] nondecreasing"
)toml");
    EXPECT_EQ(spec.mask_text(), "causal && document(ids) || prefix(n)");
    EXPECT_EQ(spec.score.text, "softcap(s + slopes[h] * q, 30)");
    EXPECT_EQ(spec.sink, "sinks");
    EXPECT_EQ(spec.pairs_output, PairsOutput::logits_raw);
    EXPECT_FALSE(spec.lse);
    EXPECT_TRUE(spec.block_mask);
    EXPECT_EQ(spec.block_size_q, 64);
    EXPECT_EQ(spec.block_size_kv, 256);
    // In the order of the file; the sink is declared by itself.
    ASSERT_EQ(spec.params.size(), 4u);
    EXPECT_EQ(spec.params[0].name, "slopes");
    EXPECT_EQ(spec.params[1].name, "n");
    EXPECT_EQ(spec.params[2].text(), "i32[b, kv] nondecreasing");
    EXPECT_EQ(spec.params[3].name, "sinks");
    EXPECT_EQ(spec.params[3].text(), "f32[h]");
    EXPECT_EQ(spec.find_param("n"), &spec.params[1]);
    EXPECT_EQ(spec.find_param("none"), nullptr);
}

TEST(SpecExpressions, PlainWordsAreNoExpression) {
    EXPECT_FALSE(parse_spec("[kernel]\nscore = \"s\"").score);
    EXPECT_FALSE(parse_spec("[kernel]\nscore = \"none\"").score);
    EXPECT_EQ(parse_spec("[kernel]\nscore = \"s\"").id(), parse_spec("").id());
}

TEST(SpecExpressions, ASinkMayBeDeclared) {
    const AttentionSpec spec = parse_spec("[kernel]\nsink = \"a\"\n[params]\na = \"f32[h]\"");
    ASSERT_EQ(spec.params.size(), 1u);
    EXPECT_EQ(spec.canonical(), parse_spec("[kernel]\nsink = \"a\"").canonical());
}

TEST(SpecExpressions, NormalizersChooseTheirOutputs) {
    EXPECT_EQ(parse_spec("[kernel]\nnormalizer = \"sigmoid\"").normalizer, Normalizer::sigmoid);
    EXPECT_FALSE(parse_spec("[kernel]\nnormalizer = \"sigmoid\"").lse);
    EXPECT_TRUE(parse_spec("[kernel]\nnormalizer = \"softmax_plus_one\"").lse);
    for (const char *normalizer : {"relu", "linear"}) EXPECT_FALSE(parse_spec(std::string("[kernel]\nnormalizer = \"") + normalizer + "\"").lse) << normalizer;
}

TEST(SpecExpressions, ScalesAreExpressionsOfHeadDim) {
    const struct {
        const char *scale;
        double value;
        const char *text;
    } cases[] = {{"1/head_dim", 1.0 / 80, "1 / head_dim"},
                 {"rsqrt( head_dim)", 1 / std::sqrt(80), "rsqrt(head_dim)"},
                 {"0.1", 0.1, "0.1"},
                 {"1 / 8.0", 0.125, "0.125"},
                 {"1/sqrt(head_dim)", 1 / std::sqrt(80), "1 / sqrt(head_dim)"},
                 {"2 * rsqrt(head_dim)", 2 / std::sqrt(80), "2 * rsqrt(head_dim)"}};
    for (const auto &[scale, value, text] : cases) {
        const AttentionSpec spec = parse_spec(std::string("[kernel]\nhead_dim = 80\nscale = \"") + scale + "\"");
        EXPECT_DOUBLE_EQ(spec.softmax_scale, value) << scale;
        EXPECT_EQ(spec.scale, text) << scale;
        EXPECT_EQ(parse_spec(spec_to_toml(spec)), spec) << scale;
    }
}

TEST(SpecExpressions, FlagsDeclareAndOverride) {
    RawSpec raw = read_spec_text("[kernel]\nmask = \"kv < n\"\n[params]\nn = \"i32\"\n", "spec.toml");
    set_spec_flag(raw, "kernel.mask", "document(ids) && kv < n[b]", "--mask");
    set_spec_flag(raw, "params", "ids: i32[b, kv] nondecreasing ; n:i32[b];", "--params");
    set_spec_flag(raw, "kernel.block_size", "32,48", "--block-size");
    set_spec_flag(raw, "kernel.block_mask", "csr", "--block-mask");
    const AttentionSpec spec = validate_spec(raw);
    ASSERT_EQ(spec.params.size(), 2u);
    EXPECT_EQ(spec.params[0].name + ": " + spec.params[0].text(), "n: i32[b]");
    EXPECT_EQ(spec.params[1].name + ": " + spec.params[1].text(), "ids: i32[b, kv] nondecreasing");
    EXPECT_EQ(spec.block_size_kv, 48);
}

TEST(SpecExpressions, TooManyParamsAreRefused) {
    std::string toml = "[kernel]\nmask = \"true";
    for (int i = 0; i < 16; i++) toml += " && kv != p" + std::to_string(i);
    toml += "\"\n[params]\n";
    for (int i = 0; i < 16; i++) toml += "p" + std::to_string(i) + " = \"i32\"\n";
    EXPECT_NE(test::error_of(toml).problem.find("more than 15 parameters"), std::string::npos);
}

// ---- names -----------------------------------------------------------------------------------------------------------------

TEST(SpecExpressionsId, KernelsWithoutThemKeepTheirs) {
    const AttentionSpec spec = parse_spec("[kernel]\nmask = \"causal\"");
    EXPECT_EQ(spec.canonical(),
              "attention 1 prefill dtype=f32 head_dim=64 head_dim_v=64 group=1 scale=0.125 mask=causal outputs=out,lse algorithm=auto");
}

TEST(SpecExpressionsId, DependsOnEveryKey) {
    std::vector<std::string> ids = {parse_spec("").id()};
    for (const char *toml : {"mask = \"window(3)\"",
                             "mask = \"window(4)\"",
                             "score = \"softcap(s, 50)\"",
                             "score = \"softcap(s, 51)\"",
                             "normalizer = \"sigmoid\"",
                             "normalizer = \"softmax_plus_one\"",
                             "normalizer = \"relu\"",
                             "normalizer = \"linear\"",
                             "normalizer = \"linear\"\nmask = \"causal\"",
                             "normalizer = \"linear\"\nfeature_map = \"relu\"",
                             "normalizer = \"linear\"\nmask = \"causal\"\ndecay = \"a\"",
                             "normalizer = \"linear\"\nmask = \"causal\"\ndecay = \"a\"\n[params]\na = \"f32[b, kv, hkv, 64]\"",
                             "normalizer = \"linear\"\nmask = \"causal\"\nbeta = \"a\"",
                             "sink = \"a\"",
                             "sink = \"c\"",
                             "block_mask = \"csr\"",
                             "block_mask = \"csr\"\nblock_size = [64, 128]",
                             "block_mask = \"csr\"\nblock_size = [128, 64]",
                             "outputs = [\"out\", \"weights\"]",
                             "outputs = [\"out\", \"logits\"]",
                             "outputs = [\"out\", \"lse\", \"logits\"]",
                             "mask = \"kv < n\"\n[params]\nn = \"i32\"",
                             "mask = \"kv < n\"\n[params]\nn = \"f32\"",
                             "mask = \"kv < n\"\n[params]\nn = \"i32[b]\"",
                             "mask = \"document(n)\"\n[params]\nn = \"i32[b, kv]\"",
                             "mask = \"document(n)\"\n[params]\nn = \"i32[b, kv] nondecreasing\"",
                             "mask = \"bigbird(8, 64, 3, 1, 1, 0)\"",
                             "mask = \"bigbird(8, 64, 3, 1, 1, 1)\""})
        ids.push_back(parse_spec(std::string("[kernel]\n") + toml).id());
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

// ---- printing --------------------------------------------------------------------------------------------------------------

class ExpressionRoundTrip : public testing::TestWithParam<const char *> {};

TEST_P(ExpressionRoundTrip, GivesTheSameKernel) {
    const AttentionSpec spec = parse_spec(std::string("[kernel]\n") + GetParam());
    EXPECT_EQ(parse_spec(spec_to_toml(spec)), spec) << spec_to_toml(spec);
}

INSTANTIATE_TEST_SUITE_P(All, ExpressionRoundTrip,
                         testing::Values("mask = \"causal && window(255)\"", "mask = false",
                                         "score = \"softcap(alibi(m), 50)\"\n[params]\nm = \"f32[h]\"", "sink = \"sinks\"",
                                         "normalizer = \"sigmoid\"", "outputs = [\"out\", \"logits_biased\"]",
                                         "normalizer = \"linear\"\nfeature_map = \"identity\"\nmask = \"causal\"\ndecay = \"g\"\nbeta = \"b_\"\n[params]\ng = \"f32[b, kv, hkv, 64]\"",
                                         "block_mask = \"csr\"\nblock_size = [16, 1024]",
                                         "mask = \"document(z) && kv < a\"\nscore = \"s + bias\"\nsink = \"y\"\n[params]\nz = \"i32[1, kv] "
                                         "nondecreasing\"\na = \"i32\"\nbias = \"bf16[b, h, q, kv]\"",
                                         "mask = '''causal ||\n  prefix(3)'''"));

}  // namespace
}  // namespace attune

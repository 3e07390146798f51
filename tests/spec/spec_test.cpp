#include "tests/spec/spec_file.h"

#include <limits>

namespace attune {
namespace {

using test::parse_spec;

TEST(Spec, EmptyFileIsTheDefaultKernel) {
    const AttentionSpec spec = parse_spec("");
    AttentionSpec expected;
    expected.name = expected.id();
    EXPECT_EQ(spec, expected);
    EXPECT_EQ(spec.head_dim, 64);
    EXPECT_EQ(spec.softmax_scale, 0.125);
}

TEST(Spec, ReadsEveryKey) {
    const AttentionSpec spec = parse_spec(R"(
[kernel]
name       = "my_kernel"
dtype      = "bf16"
compute_dtype = "i8"
head_dim   = 96
head_dim_v = 0x80
group      = 7
scale      = 0.1
mask       = "causal"
outputs    = ["out"]
phases     = ["prefill"]
algorithm  = "online"
[targets]
cpu = ["avx512", "sse41"]
gpu = []
)");
    EXPECT_EQ(spec.name, "my_kernel");
    EXPECT_EQ(spec.dtype, DType::bf16);
    EXPECT_EQ(spec.compute_dtype, ComputeDType::i8);
    EXPECT_EQ(spec.head_dim, 96);
    EXPECT_EQ(spec.head_dim_v, 128);
    EXPECT_EQ(spec.group, 7);
    EXPECT_EQ(spec.scale, "0.1");
    EXPECT_EQ(spec.softmax_scale, 0.1);
    EXPECT_EQ(spec.mask_text(), "causal");
    EXPECT_FALSE(spec.lse);
    EXPECT_EQ(spec.algorithm, Algorithm::online);
    EXPECT_EQ(spec.targets, (std::vector<std::string>{"sse41", "avx512"}));
}

TEST(Spec, HeadDimVDefaultsToHeadDim) { EXPECT_EQ(parse_spec("[kernel]\nhead_dim = 40").head_dim_v, 40); }
TEST(Spec, GroupAnyIsZero) { EXPECT_EQ(parse_spec("[kernel]\ngroup = \"any\"").group, 0); }
TEST(Spec, MaskTrueIsNone) {
    EXPECT_FALSE(parse_spec("[kernel]\nmask = \"true\"").mask);
    EXPECT_FALSE(parse_spec("[kernel]\nmask = true").mask);
    EXPECT_FALSE(parse_spec("[kernel]\nmask = \" none \"").mask);
    EXPECT_EQ(parse_spec("[kernel]\nmask = false").mask_text(), "false");
}
TEST(Spec, TargetsAutoIsAll) { EXPECT_EQ(parse_spec("[targets]\ncpu = [\"auto\"]").targets, AttentionSpec().targets); }
TEST(Spec, InlineTableIsATable) { EXPECT_EQ(parse_spec("kernel = {head_dim = 32}").head_dim, 32); }
TEST(Spec, DottedKeyIsAKey) { EXPECT_EQ(parse_spec("kernel.head_dim = 32").head_dim, 32); }

TEST(Spec, ScaleMayBeWrittenInAnyForm) {
    for (const char *text : {"2", "2.0", "+2.0", "0.2e1", "\"2\"", "\"2.0\"", "2_0e-1", "0b10"}) {
        const AttentionSpec spec = parse_spec(std::string("[kernel]\nscale = ") + text);
        EXPECT_EQ(spec.softmax_scale, 2) << text;
        EXPECT_EQ(spec.scale, "2") << text;
    }
    EXPECT_EQ(parse_spec("[kernel]\nhead_dim = 100\nscale = \"rsqrt( head_dim )\"").softmax_scale, 0.1);
}

// ---- flags -----------------------------------------------------------------------------------------------------------------

TEST(SpecFlags, OverrideTheFile) {
    const test::SpecFile file("[kernel]\nhead_dim = 32\nmask = \"causal\"\ngroup = 2\n");
    RawSpec raw = read_spec_file(file.path());
    set_spec_flag(raw, "kernel.head_dim", "128", "--head-dim");
    set_spec_flag(raw, "kernel.group", "any", "--group");
    set_spec_flag(raw, "kernel.outputs", "out", "--outputs");
    set_spec_flag(raw, "kernel.scale", "0.5", "--scale");
    const AttentionSpec spec = validate_spec(raw);
    EXPECT_EQ(spec.head_dim, 128);
    EXPECT_EQ(spec.group, 0);
    EXPECT_EQ(spec.mask_text(), "causal");
    EXPECT_FALSE(spec.lse);
    EXPECT_EQ(spec.softmax_scale, 0.5);
}

TEST(SpecFlags, ListsAreSeparatedByCommas) {
    RawSpec raw;
    set_spec_flag(raw, "targets.cpu", "avx2, avx512", "--target");
    set_spec_flag(raw, "kernel.outputs", "lse,out", "--outputs");
    const AttentionSpec spec = validate_spec(raw);
    EXPECT_EQ(spec.targets, (std::vector<std::string>{"avx2", "avx512"}));
    EXPECT_TRUE(spec.lse);
}

// ---- names -----------------------------------------------------------------------------------------------------------------

TEST(SpecId, IsTheSameOnEveryMachine) {
    // The hash is part of file names, cache keys and symbols: a change of these strings changes every kernel's name.
    AttentionSpec spec;
    EXPECT_EQ(spec.canonical(), "attention 1 prefill dtype=f32 head_dim=64 head_dim_v=64 group=1 scale=0.125 mask=none outputs=out,lse algorithm=auto");
    EXPECT_EQ(spec.id(), "attune_prefill_f32_d64_g1_c47ed39f");
    spec.dtype = DType::bf16;
    spec.head_dim = 192;
    spec.head_dim_v = 128;
    spec.group = 0;
    EXPECT_EQ(spec.id(), "attune_prefill_bf16_d192x128_gany_e991563d");
}

TEST(SpecId, DoesNotDependOnNameTargetsOrSpellingOfTheScale) {
    const std::string id = parse_spec("").id();
    EXPECT_EQ(parse_spec("[kernel]\nname = \"other\"").id(), id);
    EXPECT_EQ(parse_spec("[targets]\ncpu = [\"avx2\"]").id(), id);
    EXPECT_EQ(parse_spec("[kernel]\nscale = 0.125").id(), id);
}

TEST(SpecId, DependsOnEveryOtherKey) {
    const std::string id = parse_spec("").id();
    for (const char *line : {"dtype = \"f16\"", "compute_dtype = \"i8\"", "phases = [\"decode\"]", "head_dim = 65", "head_dim_v = 65", "group = 2", "group = \"any\"", "scale = 0.1250001",
                             "mask = \"causal\"", "mask = \"causal_top_left\"", "outputs = [\"out\"]", "algorithm = \"online\""})
        EXPECT_NE(parse_spec(std::string("[kernel]\n") + line).id(), id) << line;
}

// ---- printing --------------------------------------------------------------------------------------------------------------

class RoundTrip : public testing::TestWithParam<const char *> {};

TEST_P(RoundTrip, GivesTheSameKernel) {
    const AttentionSpec spec = parse_spec(std::string("[kernel]\n") + GetParam());
    EXPECT_EQ(parse_spec(spec_to_toml(spec)), spec) << spec_to_toml(spec);
}

INSTANTIATE_TEST_SUITE_P(Spec, RoundTrip,
                         testing::Values("",                                          // all defaults; the name is the id and is left out
                                         "name = \"k\"",                              // a name of the user's
                                         "dtype = \"f16\"\nhead_dim = 1",             // ends of ranges
                                         "dtype = \"f16\"\ncompute_dtype = \"f16\"", "compute_dtype = \"i8\"", "phases = [\"decode\"]",
                                         "dtype = \"bf16\"\nhead_dim = 512\nhead_dim_v = 1", "group = \"any\"", "group = 1024",
                                         "scale = 0.1",                               // no exact binary value
                                         "scale = 1",                                 // prints as an integer
                                         "scale = 1e-30", "scale = 1e30", "scale = 0.088388347648318447",
                                         "mask = \"causal\"\noutputs = [\"out\"]", "mask = \"causal_top_left\"\nalgorithm = \"full_row\"",
                                         "algorithm = \"fixed_reference\"\n[targets]\ncpu = [\"avx2\"]"));

}  // namespace
}  // namespace attune

/// The schedules of bf16 pairs and of matrix tiles over shapes, algorithms, masks and scores: with the machine's own operations, with their twins, and
/// with emulated instructions, which every CPU with AVX2 runs.
#include "tests/schedules/product_shapes.h"

namespace attune::test {

namespace {

struct PairsCase {
    const char *name;
    int head_dim, head_dim_v;
    const char *mask;
    Algorithm algorithm;
    int group;
    friend void PrintTo(const PairsCase &row, std::ostream *out) { *out << row.name; }
};

const PairsCase cases[] = {
    {"d64", 64, 64, "none", Algorithm::automatic, 1},
    {"d128_causal", 128, 128, "causal", Algorithm::automatic, 1},
    {"d128_window_group_4", 128, 128, "causal && window(70)", Algorithm::automatic, 4},
    {"d80x48_causal", 80, 48, "causal", Algorithm::automatic, 1},
    {"d10x7_top_left", 10, 7, "causal_top_left", Algorithm::automatic, 1},
    {"d2x1", 2, 1, "none", Algorithm::automatic, 1},
    {"d96_global", 96, 96, "global(5) || window(40, 40)", Algorithm::automatic, 1},
    {"d256_causal", 256, 256, "causal", Algorithm::automatic, 2},
    {"d64_online", 64, 64, "causal", Algorithm::online, 1},
    {"d64_full_row", 64, 64, "causal", Algorithm::full_row, 1},
    {"d33_has_no_pairs", 33, 33, "causal", Algorithm::automatic, 1},
};

struct Way {
    const char *name, *target;
    bool twins, emulate;
    friend void PrintTo(const Way &way, std::ostream *out) { *out << way.name; }
};
const Way ways[] = {
    {"dot", "avx512_bf16", false, false},
    {"dot_emulated", "avx512_bf16", false, true},
    {"dot_twins", "avx512_bf16", true, true},
    {"tiles", "amx", false, false},
    {"tiles_emulated", "amx", false, true},
    {"tiles_twins", "amx", true, true},
};

class Bf16Pairs : public testing::TestWithParam<std::tuple<Way, PairsCase>> {};

TEST_P(Bf16Pairs, AgreeWithTheReference) {
    const auto &[way, row] = GetParam();
    const char *needed = way.emulate ? "avx2" : way.target;
    if (!available_target(needed)) GTEST_SKIP() << "this CPU does not run " << needed;
    const CpuTarget *target = &cpu_target(way.target);
    const AttentionSpec spec = make_spec(DType::bf16, row.head_dim, row.head_dim_v, row.mask, row.algorithm, row.group);
    const LoadedKernel &kernel = kernel_for(spec, *target, {.overrides = {}, .twins = way.twins, .emulate = way.emulate});
    EXPECT_EQ(kernel.plan().rounds_weights, row.head_dim % 2 == 0 && row.algorithm == Algorithm::automatic);
    check_product_shapes(kernel, 2 * row.group);
}

INSTANTIATE_TEST_SUITE_P(Cpu, Bf16Pairs, testing::Combine(testing::ValuesIn(ways), testing::ValuesIn(cases)), [](const auto &info) {
    return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name;
});

}  // namespace
}  // namespace attune::test

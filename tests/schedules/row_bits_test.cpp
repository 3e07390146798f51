// Schedules that may stand in one table (difference_in_bits) give every row the same bits, whichever of them runs.
#include "generator/backend/schedule_space.h"
#include "tests/support/kernel_case.h"

#include <random>
#include <tuple>

namespace attune::test {
namespace {

struct BitsCase {
    const char *name;
    DType dtype;
    int head_dim, head_dim_v, group;
    const char *mask;
    Algorithm algorithm = Algorithm::automatic;
    ComputeDType compute = ComputeDType::f32;
    friend void PrintTo(const BitsCase &row, std::ostream *out) { *out << row.name; }
};

// Not the online algorithm, which may have no such schedules, nor groups that divide no block of rows.
const BitsCase cases[] = {
    {"causal", DType::f32, 40, 24, 1, "causal"},                              // full and partial chunks, of which strips have another each
    {"window", DType::f32, 64, 64, 1, "causal && window(70)"},                // chunks that are partial at both ends
    {"full_row", DType::f32, 32, 32, 1, "causal", Algorithm::full_row},       // all logits of a strip
    {"keys_in_lanes", DType::f32, 32, 32, 2, "none", Algorithm::full_row},    // the same without a mask
    {"f16", DType::f16, 64, 64, 1, "causal"},                                 // converted a chunk
    {"bf16", DType::bf16, 64, 64, 2, "causal"},                               // pairs in full chunks, f32 in partial ones, where there are pairs
    {"halves", DType::f16, 64, 64, 1, "causal", Algorithm::automatic, ComputeDType::f16},
    {"integers", DType::f32, 64, 64, 1, "none", Algorithm::automatic, ComputeDType::i8},
};

AttentionSpec spec_of(const BitsCase &row) {
    AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, PairsText{.mask = row.mask});
    spec.algorithm = row.algorithm;
    spec.compute_dtype = row.compute;
    spec.name = spec.id();
    return spec;
}

/// Legal points that may stand beside the default, at random: of each as many parameters differ as happen to.
std::vector<ScheduleParameters> companions(const AttentionSpec &spec, const CpuTarget &target, size_t count) {
    const autotune::Space space = schedule_space(spec, target);
    const autotune::MayStandTogether together = bits_are_kept(spec, target);
    std::mt19937 random(5);
    std::vector<ScheduleParameters> found;
    for (int tries = 0; tries < 3000 && found.size() < count; tries++) {
        autotune::Point point = space.fallback;
        for (size_t i = 0; i < point.size(); i++)
            if (random() % 2)
                point[i] = space.parameters[i].values[random() % space.parameters[i].values.size()];
        if (point == space.fallback || !space.legal(point) || !together(point, space.fallback))
            continue;
        const ScheduleParameters overrides = overrides_of(space.parameters, point);
        if (std::find(found.begin(), found.end(), overrides) == found.end())
            found.push_back(overrides);
    }
    return found;
}

class RowBitsOf : public testing::TestWithParam<std::tuple<std::string, BitsCase>> {};

TEST_P(RowBitsOf, AreTheSameUnderSchedulesThatMayStandTogether) {
    const auto &[name, row] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    const AttentionSpec spec = spec_of(row);
    if (!target->serves(spec.types())) GTEST_SKIP() << name << " is not made for " << row.name;
    const auto others = companions(spec, *target, 2);
    if (others.empty() && target->vector == 16) GTEST_SKIP() << "with AVX-512 no two schedules are held to keep a row's bits (backend/schedule_rules.cpp)";
    ASSERT_EQ(others.size(), 2u) << "what is there to be chosen among?";
    const int64_t heads = 2 * row.group;
    const std::vector<ShapeCase> shapes = {{"tails", 2, heads, 2, 101, 133}, {"short", 1, heads, 2, 19, 300}, {"hidden", 1, heads, 2, 90, 37}};
    const LoadedKernel &standard = kernel_for(spec, *target);
    for (const ScheduleParameters &overrides : others) {
        const LoadedKernel &other = kernel_for(spec, *target, {.overrides = overrides});
        for (const ShapeCase &shape : shapes)
            for (const InputKind kind : {InputKind::normal, InputKind::wide_8}) {
                const ReferenceProblem problem = make_problem(spec, shape, kind, 31);
                expect_same_bits(problem, run_kernel(other, problem, shape), run_kernel(standard, problem, shape), describe(other) + " " + shape.name);
            }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, RowBitsOf,
                         testing::Combine(testing::Values("sse41", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx"), testing::ValuesIn(cases)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

}  // namespace
}  // namespace attune::test

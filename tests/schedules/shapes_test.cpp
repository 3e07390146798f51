// The table of shapes on every target, over masks, types and algorithms.
#include "tests/schedules/shapes.h"

#include <tuple>

namespace attune::test {
namespace {

struct KernelChoice {
    const char *name;
    DType dtype;
    const char *mask;
    Algorithm algorithm;
    friend void PrintTo(const KernelChoice &row, std::ostream *out) { *out << row.name; }
};

/// Each pair of a type, a mask and an algorithm once, f16 causal twice, and f32 full rows with and without a mask, whose schedules are two.
const KernelChoice choices[] = {
    {"f32_none_auto", DType::f32, "none", Algorithm::automatic},
    {"f32_causal_online", DType::f32, "causal", Algorithm::online},
    {"f32_top_left_full_row", DType::f32, "causal_top_left", Algorithm::full_row},
    {"f32_none_full_row", DType::f32, "none", Algorithm::full_row},
    {"f16_none_online", DType::f16, "none", Algorithm::online},
    {"f16_causal_full_row", DType::f16, "causal", Algorithm::full_row},
    {"f16_top_left_auto", DType::f16, "causal_top_left", Algorithm::automatic},
    {"bf16_none_full_row", DType::bf16, "none", Algorithm::full_row},
    {"bf16_causal_auto", DType::bf16, "causal", Algorithm::automatic},
    {"bf16_top_left_online", DType::bf16, "causal_top_left", Algorithm::online},
    {"f32_causal_auto", DType::f32, "causal", Algorithm::automatic},
};

class AttentionShapes : public testing::TestWithParam<std::tuple<std::string, KernelChoice>> {};

TEST_P(AttentionShapes, AgreeWithTheReference) {
    const auto &[name, choice] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    // 20 and 12 are no multiples of a vector, nor 12 of AVX-512's tile_d.
    const LoadedKernel &kernel = kernel_for(make_spec(choice.dtype, 20, 12, choice.mask, choice.algorithm), *target);
    for (const ShapeCase &shape : all_shapes()) {
        SCOPED_TRACE(shape.name);
        check_shape(kernel, shape);
    }
}

TEST_P(AttentionShapes, AgreeOnWideInputs) {
    const auto &[name, choice] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    const LoadedKernel &kernel = kernel_for(make_spec(choice.dtype, 20, 12, choice.mask, choice.algorithm), *target);
    const ShapeCase shapes[] = {
        {"tails", 2, 3, 1, 61, 93},
        {"hidden_rows", 1, 2, 1, 70, 40},
        {"lengths", 2, 2, 1, 50, 140, {49, 31}, {69, 5}},
    };
    for (const ShapeCase &shape : shapes) {
        for (InputKind kind : {InputKind::wide_8, InputKind::wide_20, InputKind::spike}) {
            SCOPED_TRACE(std::string(shape.name) + " " + input_kind_name(kind));
            check_shape(kernel, shape, kind, 5);
        }
    }
}

TEST_P(AttentionShapes, RunWithoutLse) {
    const auto &[name, choice] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    const LoadedKernel &kernel = kernel_for(make_spec(choice.dtype, 20, 12, choice.mask, choice.algorithm), *target);
    check_shape(kernel, {"odd_both", 2, 3, 1, 61, 93}, InputKind::normal, 2, {1, false, true});
}

INSTANTIATE_TEST_SUITE_P(Cpu, AttentionShapes, testing::Combine(testing::ValuesIn(target_names()), testing::ValuesIn(choices)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

/// A sweep of both lengths over 0 … 2 vectors and around a strip and a chunk.
class LengthSweep : public testing::TestWithParam<std::tuple<std::string, Algorithm>> {};

TEST_P(LengthSweep, AgreesWithTheReference) {
    const auto &[name, algorithm] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    // One strip a task and chunks of 8 keys: every kind of tail within 2 vectors.
    const int strip = 2 * target->vector;
    const CompileOptions options{.overrides = {{"tile_q", 2}, {"tile_kv", 4}, {"tile_d", 4}, {"block_kv", 8}, {"block_q", strip}}};
    const LoadedKernel &kernel = kernel_for(make_spec(DType::f32, 5, 6, "causal", algorithm), *target, options);
    for (int q = 0; q <= 2 * strip + 1; q += q < target->vector ? 1 : 3) {
        for (int kv = 0; kv <= 33; kv += kv < 10 ? 1 : 4) {
            SCOPED_TRACE("sq " + std::to_string(q) + " skv " + std::to_string(kv));
            check_shape(kernel, {"sweep", 1, 1, 1, q, kv}, InputKind::normal, static_cast<uint64_t>(100 * q + kv));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, LengthSweep,
                         testing::Combine(testing::ValuesIn(target_names()), testing::Values(Algorithm::automatic, Algorithm::online, Algorithm::full_row)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + algorithm_name(std::get<1>(info.param)); });

class FixedGroups : public testing::TestWithParam<int> {};

TEST_P(FixedGroups, AgreeWithTheReference) {
    const int group = GetParam();
    const LoadedKernel &kernel = kernel_for(make_spec(DType::f32, 8, 8, "causal", Algorithm::automatic, group), *available_targets().front());
    check_shape(kernel, {"heads", 2, 2 * group, 2, 21, 34});
}

INSTANTIATE_TEST_SUITE_P(Cpu, FixedGroups, testing::Values(1, 2, 3, 7, 8), testing::PrintToStringParamName());

/// A number for a scale instead of 1 / sqrt(head_dim).
TEST(SoftmaxScale, IsTheSpecifications) {
    AttentionSpec spec = make_spec(DType::f32, 16);
    spec.scale = "0.7";
    spec.softmax_scale = 0.7;
    spec.name = spec.id();
    const LoadedKernel &kernel = kernel_for(spec, *available_targets().front());
    check_shape(kernel, {"tails", 2, 3, 1, 61, 93});
}

/// Sums over long rows must not swamp small terms: the bound has no constant that grows with the length.
class LongRows : public testing::TestWithParam<std::tuple<std::string, Algorithm>> {};

TEST_P(LongRows, StayWithinTheBound) {
    const auto &[name, algorithm] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    const LoadedKernel &kernel = kernel_for(make_spec(DType::f32, 8, 4, "none", algorithm), *target);
    check_shape(kernel, {"long", 1, 1, 1, 5, 40000}, InputKind::normal, 3);
    check_shape(kernel, {"long", 1, 1, 1, 5, 40000}, InputKind::wide_8, 3);
}

INSTANTIATE_TEST_SUITE_P(Cpu, LongRows,
                         testing::Combine(testing::ValuesIn(target_names()), testing::Values(Algorithm::automatic, Algorithm::online, Algorithm::full_row)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + algorithm_name(std::get<1>(info.param)); });

}  // namespace
}  // namespace attune::test

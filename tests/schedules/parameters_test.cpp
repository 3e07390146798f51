// The corners of the schedule parameters' ranges, against the reference and against the algorithm without a schedule.
#include "generator/spec/error.h"
#include "tests/schedules/unscheduled.h"
#include "tests/support/cache_formats.h"
#include "tests/support/kernel_case.h"

#include <limits>
#include <tuple>

namespace attune::test {
namespace {

struct Corner {
    const char *name;
    int tile_q, tile_kv, tile_d, block_kv, strips, unroll;  ///< block_q = strips * tile_q * vector
    bool wide = false;                                      ///< needs the 32 registers of AVX-512
    friend void PrintTo(const Corner &row, std::ostream *out) { *out << row.name; }
};

const Corner corners[] = {
    {"smallest", 1, 1, 2, 4, 1, 1},              // every parameter at its least
    {"one_strip", 2, 4, 4, 8, 1, 2},             // a task is one strip
    {"tile_q_1", 1, 8, 8, 32, 4, 4},             // one vector of rows, many keys
    {"tile_q_3", 3, 4, 4, 64, 2, 1},             // the strip is no power of two
    {"tile_q_4", 4, 2, 2, 32, 3, 8},             // few keys; 8 steps a turn, more than the partial tile's
    {"tile_q_5", 5, 2, 2, 20, 2, 3},             // chunk and unrolling no powers of two
    {"tile_q_6", 6, 1, 2, 12, 1, 5, true},       // the most rows
    {"tile_kv_3", 2, 3, 5, 12, 2, 2},            // odd tiles
    {"tile_kv_12", 1, 12, 12, 36, 2, 2},         // 12 accumulators of 16 registers, a chunk of 36
    {"tile_kv_30", 1, 30, 30, 60, 2, 2, true},   // all 32 registers: 30 accumulators, a query and a key
    {"tile_d_7", 2, 4, 6, 16, 2, 7},             // columns padded from 20 to 24, an odd unrolling
    {"block_kv_256", 2, 4, 4, 256, 2, 2},        // a chunk longer than the sequence
    {"block_kv_8", 3, 4, 4, 8, 1, 6},            // many chunks
    {"many_strips", 1, 4, 4, 16, 24, 2},         // a task larger than the problem
};

CompileOptions options_of(const Corner &c, int vector) {
    return {.overrides = {{"tile_q", c.tile_q},
                          {"tile_kv", c.tile_kv},
                          {"tile_d", c.tile_d},
                          {"block_kv", c.block_kv},
                          {"block_q", c.strips * c.tile_q * vector},
                          {"unroll", c.unroll}}};
}

class ParameterCorners : public testing::TestWithParam<std::tuple<std::string, Corner>> {};

TEST_P(ParameterCorners, AgreeWithTheReference) {
    const auto &[name, corner] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    if (corner.wide && target->registers < 32) GTEST_SKIP() << name << " has 16 vector registers";
    const size_t c = static_cast<size_t>(corner.tile_q + corner.unroll);  // masks and types take turns
    constexpr const char *masks[] = {"none", "causal", "causal_top_left"};
    constexpr DType dtypes[] = {DType::f32, DType::bf16};
    for (Algorithm algorithm : {Algorithm::automatic, Algorithm::online, Algorithm::full_row}) {
        const size_t a = static_cast<size_t>(algorithm);
        // Full rows without a mask have another schedule (KeyLanesCorners).
        const char *mask = algorithm == Algorithm::full_row ? masks[1 + (c + a) % 2] : masks[(c + a) % 3];
        const AttentionSpec spec = make_spec(dtypes[(c + a) % 2], 10, 20, mask, algorithm);
        const LoadedKernel &kernel = kernel_for(spec, *target, options_of(corner, target->vector));
        check_shape(kernel, {"tails", 2, 2, 1, 107, 83});
        check_shape(kernel, {"hidden", 1, 1, 1, 90, 37, {}, {}, false, Layout::padded}, InputKind::normal, 2);
        check_shape(kernel, {"wide", 1, 2, 1, 50, 300}, InputKind::wide_8, 3);
        check_shape(kernel, {"decode", 1, 2, 1, 1, 130}, InputKind::normal, 4);
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, ParameterCorners, testing::Combine(testing::ValuesIn(target_names()), testing::ValuesIn(corners)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

/// Arrays by row and key are transposed in tiles that fit into the register tile.
TEST_P(ParameterCorners, AgreeWithTheReferenceOfABias) {
    const auto &[name, corner] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    if (corner.wide && target->registers < 32) GTEST_SKIP() << name << " has 16 vector registers";
    const bool full_row = corner.tile_q % 2 == 0;
    AttentionSpec spec = make_spec(DType::f32, 10, 20, 1, {.mask = full_row ? "causal" : "none", .score = "s + bias", .params = "bias: f32[h, q, kv]"});
    spec.algorithm = full_row ? Algorithm::full_row : Algorithm::fixed_reference;
    const LoadedKernel &kernel = kernel_for(spec, *target, options_of(corner, target->vector));
    for (const ShapeCase &shape : {ShapeCase{"tails", 2, 2, 2, 107, 83}, ShapeCase{"few_keys", 1, 1, 1, 30, 3},
                                   ShapeCase{"packed", 3, 1, 1, 60, 70, {60, 5, 17}, {70, 64, 1}, true}}) {
        check_shape(kernel, shape, InputKind::normal, 5, {.params = make_params(kernel.plan().spec, shape, 5)});
    }
}

struct KeyLanesCorner {
    const char *name;
    int tile_rows, tile_keys, tile_columns, strips, unroll;  ///< block_q = strips * tile_rows
    bool wide = false;                                       ///< needs the 32 registers of AVX-512
    friend void PrintTo(const KeyLanesCorner &row, std::ostream *out) { *out << row.name; }
};

const KeyLanesCorner key_lanes_corners[] = {
    {"smallest", 1, 1, 1, 1, 1},
    {"one_strip", 4, 2, 2, 1, 2},          // a task is one strip
    {"odd", 3, 3, 3, 5, 3},                // rows and vectors no powers of two
    {"long_tile", 2, 5, 4, 7, 8},          // four widths of a last tile; 8 steps a turn
    {"many_rows", 14, 1, 1, 2, 5},         // 14 accumulators, a key and a row: all of 16 registers
    {"most_rows", 16, 1, 1, 40, 2, true},  // a task larger than the problem
    {"all_registers", 14, 2, 2, 1, 4, true},
};

class KeyLanesCorners : public testing::TestWithParam<std::tuple<std::string, KeyLanesCorner>> {};

TEST_P(KeyLanesCorners, AgreeWithTheReference) {
    const auto &[name, corner] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    if (corner.wide && target->registers < 32) GTEST_SKIP() << name << " has 16 vector registers";
    const CompileOptions options = {.overrides = {{"tile_rows", corner.tile_rows},
                                                  {"tile_keys", corner.tile_keys},
                                                  {"tile_columns", corner.tile_columns},
                                                  {"block_q", corner.strips * corner.tile_rows},
                                                  {"unroll", corner.unroll}}};
    struct Row {
        DType dtype;
        int head_dim, head_dim_v, group;
        PairsText pairs;
    };
    const Row rows[] = {
        {DType::f32, 10, 32, 1, {}},                                                                             // values as they lie, where 32 is whole tiles
        {DType::f16, 32, 20, 2, {}},                                                                             // converted and padded
        {DType::f32, 16, 20, 1, {.score = "s + bias", .params = "bias: f32[h, q, kv]"}},                         // read as it lies
        {DType::f32, 7, 3, 3, {.score = "s + bias * 0.5", .params = "bias: f16[kv]; sink: f32[h]", .sink = "sink"}},  // hides, of one row for all; a sink
    };
    for (const Row &row : rows) {
        AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, row.pairs);
        spec.algorithm = Algorithm::full_row;
        spec.name = spec.id();
        const LoadedKernel &kernel = kernel_for(spec, *target, options);
        ASSERT_EQ(kernel.plan().schedule, "cpu_key_lanes");
        const int64_t g = row.group;
        for (const ShapeCase &shape : {ShapeCase{"tails", 2, 2 * g, 2, 61, 83}, ShapeCase{"few_keys", 1, g, 1, 30, 3}, ShapeCase{"one_pair", 1, g, 1, 1, 1},
                                       ShapeCase{"no_key", 1, g, 1, 3, 0}, ShapeCase{"packed", 3, g, 1, 60, 70, {60, 5, 17}, {70, 64, 1}, true}}) {
            SCOPED_TRACE(shape.name);
            check_shape(kernel, shape, InputKind::normal, 5, {.params = make_params(spec, shape, 5)});
            check_shape(kernel, shape, InputKind::wide_8, 6, {.params = make_params(spec, shape, 6)});
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, KeyLanesCorners, testing::Combine(testing::ValuesIn(target_names()), testing::ValuesIn(key_lanes_corners)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

struct DecodeCorner {
    const char *name;
    int split_kv, accumulators, unroll, unroll_values;
    bool wide = false;  ///< needs the 32 registers of AVX-512
    friend void PrintTo(const DecodeCorner &row, std::ostream *out) { *out << row.name; }
};

const DecodeCorner decode_corners[] = {
    {"smallest", 64, 1, 1, 1},
    {"all_registers", 128, 15, 3, 8},           // sums of no power of two, of three steps where they divide
    {"wide_registers", 192, 31, 8, 8, true},
    {"long_chunk", 8192, 6, 8, 2},              // longer than the cache; tiles of keys that do not divide a vector
    {"many_steps", 320, 12, 8, 4},
    {"one_value", 512, 8, 2, 1},
};

class DecodeCorners : public testing::TestWithParam<std::tuple<std::string, DecodeCorner>> {};

TEST_P(DecodeCorners, AgreeWithTheReference) {
    const auto &[name, corner] = GetParam();
    const bool emulate = must_emulate(name);
    if (!emulate && !available_target(name)) GTEST_SKIP() << "this CPU does not run " << name;
    const CpuTarget &target = cpu_target(name);
    if (corner.wide && target.registers < 32) GTEST_SKIP() << name << " has 16 vector registers";
    struct Row {
        DType dtype;
        int head_dim, head_dim_v, group;
        KvCacheSpec cache;
    };
    const Row rows[] = {{DType::f32, 80, 48, 1, plain}, {DType::f16, 128, 128, 1, plain},         {DType::bf16, 64, 64, 4, paged(plain, 16)}, {DType::f32, 10, 7, 2, plain},
                        {DType::f16, 64, 64, 1, i8},    {DType::f16, 128, 128, 4, ring(i8_zeros)}, {DType::f32, 64, 32, 4, i4},                {DType::f32, 32, 32, 1, i4_zeros}};
    for (const Row &row : rows) {
        AttentionSpec spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, PairsText{.mask = "causal"});
        spec.decode = true;
        spec.cache = row.cache;
        spec.name = spec.id();
        const CompileOptions options = {.overrides = {{"split_kv", corner.split_kv},
                                                      {"accumulators", corner.accumulators},
                                                      {"unroll", corner.unroll},
                                                      {"unroll_values", corner.unroll_values}},
                                        .emulate = emulate};
        const LoadedKernel &kernel = kernel_for(spec, target, options);
        const int64_t heads = 2 * row.group;
        for (const ShapeCase &shape : {ShapeCase{"one_row", 1, heads, 2, 1, 700}, ShapeCase{"five_rows", 2, heads, 2, 5, 193}, ShapeCase{"one_pair", 1, heads, 2, 1, 1}}) {
            SCOPED_TRACE(shape.name);
            check_shape(kernel, shape, InputKind::normal, 8, {.threads = 2, .page_order = 8});
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, DecodeCorners, testing::Combine(testing::Values("sse41", "avx2", "avx512"), testing::ValuesIn(decode_corners)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

TEST(DefaultAlgorithm, IsFullRowsForABiasOfRowsAndKeys) {
    const auto algorithm_for = [](const char *params) {
        return plan_kernel(make_spec(DType::f32, 32, 32, 1, {.score = "s + bias", .params = params}), *available_targets().front()).algorithm;
    };
    EXPECT_EQ(algorithm_for("bias: f32[h, q, kv]"), "full_row_softmax");
    EXPECT_EQ(algorithm_for("bias: f32[b, kv]"), "fixed_reference_softmax + online_softmax");
}

/// A schedule places the same values: what it computes may differ from the unscheduled algorithm by twice the bound, one for each.
class Unscheduled : public testing::TestWithParam<const char *> {};

void expect_close(const ReferenceProblem &p, const KernelResult &scheduled, const UnscheduledResult &plain, const std::string &context) {
    const ReferenceResult expected = reference_attention(p);
    const ErrorShare own = error_share(p, expected, plain.output, plain.lse, precision_of(DType::f32));
    EXPECT_LE(own.output, 1) << context << ": unscheduled, worst index " << own.worst_index;
    EXPECT_LE(own.lse, 1) << context << ": unscheduled";
    // The bound is that of the reference; around the unscheduled result instead.
    ReferenceResult around = expected;
    around.output = plain.output;
    for (size_t i = 0; i < around.lse.size(); i++) around.lse[i] = plain.lse[i];
    const ErrorShare both = error_share(p, around, scheduled.output, scheduled.lse, precision_of(DType::f32));
    EXPECT_LE(both.output, 2) << context << ": scheduled and unscheduled differ, worst index " << both.worst_index;
    EXPECT_LE(both.lse, 2) << context << ": scheduled and unscheduled differ";
}

TEST_P(Unscheduled, AlgorithmsAgreeWithTheirSchedules) {
    const ShapeCase shapes[] = {
        {"tails", 1, 1, 1, 11, 19},        // a strip and a tail, two chunks and a tail
        {"hidden_rows", 1, 1, 1, 9, 4},    // causal: five rows see nothing
        {"one_query", 1, 1, 1, 1, 17},
    };
    struct Pair {
        UnscheduledAlgorithm plain;
        Algorithm scheduled;
        const char *name;
    };
    const bool spec_has_mask = GetParam() != std::string("none");
    const Pair pairs[] = {{UnscheduledAlgorithm::fixed_reference, Algorithm::automatic, "fixed_reference"},
                          {UnscheduledAlgorithm::online, Algorithm::automatic, "online"},
                          {UnscheduledAlgorithm::online_split, Algorithm::online, "online_split"},
                          {spec_has_mask ? UnscheduledAlgorithm::full_row : UnscheduledAlgorithm::key_lanes, Algorithm::full_row, "full_row"}};
    for (const Pair &pair : pairs) {
        const AttentionSpec spec = make_spec(DType::f32, 5, 6, GetParam(), pair.scheduled);
        for (const ShapeCase &shape : shapes) {
            const std::string context = std::string(pair.name) + " " + GetParam() + " " + shape.name;
            const ReferenceProblem problem = make_problem(spec, shape, InputKind::normal, 6);
            const UnscheduledResult plain = run_unscheduled(pair.plain, spec, problem);
            if (pair.plain == UnscheduledAlgorithm::fixed_reference) {
                for (int state : plain.row_state) EXPECT_EQ(state, ATTUNE_ROW_FIXED) << context << ": N(0, 1) rows stay with the fixed reference";
            }
            for (const CpuTarget *target : available_targets()) {
                const LoadedKernel &kernel = kernel_for(spec, *target);
                expect_close(problem, run_kernel(kernel, problem, shape), plain, context + " " + target->name);
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Unscheduled, testing::Values("none", "causal", "causal_top_left"),
                         [](const auto &info) { return std::string(info.param); });

/// Halide's own checks and the promises of the schedule as checks: a kernel that reads, writes or assumes too much fails its call.
class HalideChecks : public testing::TestWithParam<std::tuple<std::string, Algorithm>> {};

TEST_P(HalideChecks, HoldInEveryShape) {
    const auto &[name, algorithm] = GetParam();
    ATTUNE_REQUIRE_TARGET(target, name);
    const ShapeCase shapes[] = {
        {"tails", 2, 2, 1, 61, 93},
        {"hidden_rows", 1, 1, 1, 70, 20},
        {"one_pair", 1, 1, 1, 1, 1},
        {"two_blocks", 1, 1, 1, 401, 64},
        {"padded", 2, 2, 1, 35, 71, {35, 7}, {1, 70}, false, Layout::padded},
    };
    // Half types without a causal mask: the chunk that is converted for all strips has one index, but where strips see different
    // chunks Halide's bounds for it are a range, and the check of the schedule's promise compares with that.
    constexpr DType dtypes[] = {DType::f32, DType::f16, DType::bf16, DType::f32};
    constexpr const char *masks[] = {"causal", "none", "none", "causal_top_left"};
    const size_t a = static_cast<size_t>(algorithm) + static_cast<size_t>(target - &cpu_targets().front());
    const LoadedKernel &kernel = kernel_for(make_spec(dtypes[a % 4], 20, 12, masks[a % 4], algorithm), *target, {.overrides = {}, .asserts = true});
    AttentionSpec biased = make_spec(DType::f32, 20, 12, 0, {.score = "s + bias", .params = "bias: f32[h, q, kv]"});
    biased.algorithm = algorithm == Algorithm::automatic ? Algorithm::fixed_reference : algorithm;
    const LoadedKernel &kernel_of_bias = kernel_for(biased, *target, {.overrides = {}, .asserts = true});
    for (const ShapeCase &shape : shapes) {
        SCOPED_TRACE(shape.name);
        check_shape(kernel, shape);
        check_shape(kernel, shape, InputKind::wide_8);
        check_shape(kernel_of_bias, shape, InputKind::normal, 1, {.params = make_params(biased, shape)});
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, HalideChecks,
                         testing::Combine(testing::ValuesIn(target_names()), testing::Values(Algorithm::automatic, Algorithm::online, Algorithm::full_row)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + algorithm_name(std::get<1>(info.param)); });

}  // namespace
}  // namespace attune::test

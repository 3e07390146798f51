// Linear attention's running state: what is kept of the keys of one call is the past of the next, and a sequence in parts is the sequence.
#include "attune/attention.hpp"
#include "tests/conformance/kernels.h"

#include <cmath>
#include <functional>
#include <string>
#include <vector>

namespace attune::test {
namespace {

struct StateCase {
    const char *name;
    PairsText text;
    friend void PrintTo(const StateCase &row, std::ostream *out) { *out << row.name; }
};
const StateCase state_cases[] = {
    {"divided", {.mask = "causal", .normalizer = "linear"}},
    {"products", {.mask = "causal", .normalizer = "linear", .feature_map = "identity"}},
    {"decay", {.mask = "causal", .normalizer = "linear", .decay = "g"}},
    {"gated_delta", {.mask = "causal", .params = "g: f32[b, kv, hkv, 20]", .normalizer = "linear", .feature_map = "identity", .decay = "g", .beta = "rate"}},
};
constexpr int head_dim = 20, head_dim_v = 12;

/// What a call keeps: (batch, kv_heads, head_dim, head_dim_v) and (batch, kv_heads, head_dim).
struct Kept {
    std::vector<float> outer, key_sum;
};

std::vector<float> floats(const std::vector<double> &numbers) { return {numbers.begin(), numbers.end()}; }

/// Positions first … end - 1 of arrays (heads, seq, dim).
std::vector<double> rows_of(const std::vector<double> &all, int64_t seq, int dim, int64_t first, int64_t end) {
    std::vector<double> part;
    for (size_t head = 0; head < all.size() / static_cast<size_t>(seq * dim); head++)
        for (int64_t i = first * dim; i < end * dim; i++) part.push_back(all[head * static_cast<size_t>(seq * dim) + static_cast<size_t>(i)]);
    return part;
}

/// The argument of rows first … end - 1 of one that is by key.
ParamValue part_of(const ParamValue &all, int64_t first, int64_t end) {
    ParamValue part = all;
    const int64_t keys = all.extents[1], inner = static_cast<int64_t>(all.elements.size()) / (all.extents[0] * keys);
    part.extents[1] = end - first;
    part.elements.clear();
    for (int64_t b = 0; b < all.extents[0]; b++)
        for (int64_t i = (b * keys + first) * inner; i < (b * keys + end) * inner; i++) part.elements.push_back(all.elements[static_cast<size_t>(i)]);
    return part;
}

class LinearState : public testing::TestWithParam<std::tuple<std::string, StateCase>> {
protected:
    void SetUp() override {
        const auto &[name, row] = GetParam();
        const CpuTarget *target = available_target(name);
        if (!target) GTEST_SKIP() << "this CPU does not run " << name;
        kernel = &kernel_for(make_spec(DType::f32, head_dim, head_dim_v, 3, row.text), *target);
    }
    const AttentionSpec &spec() const { return kernel->plan().spec; }
    ReferenceProblem problem(int64_t seq, uint64_t seed) {
        const ShapeCase shape = {"whole", 2, 6, 2, seq, seq};
        params = make_params(spec(), shape, seed);
        return make_problem(spec(), shape, InputKind::normal, seed, params);
    }

    /// Rows first … end - 1 of the problem after `kept`, which it becomes what is kept then. -> output.
    std::vector<float> run(const ReferenceProblem &p, int64_t first, int64_t end, Kept &kept, bool in_place) {
        const int64_t rows = end - first;
        const std::vector<float> query = floats(rows_of(p.query, p.seq_len_q, head_dim, first, end)), key = floats(rows_of(p.key, p.seq_len_kv, head_dim, first, end)),
                                 value = floats(rows_of(p.value, p.seq_len_kv, head_dim_v, first, end));
        std::vector<cli::Argument> arguments;
        for (size_t i = 0; i < spec().params.size(); i++) {
            const ParamValue part = part_of(params.values()[i], first, end);
            arguments.push_back(cli::make_argument(spec().params[i], part.extents, part.elements));
        }
        const cli::CallParams of_part(spec(), arguments);
        std::vector<float> output(static_cast<size_t>(p.batch * p.num_heads * rows * head_dim_v), -7);
        Kept present = {std::vector<float>(static_cast<size_t>(p.batch * p.num_kv_heads * head_dim * head_dim_v)),
                        std::vector<float>(static_cast<size_t>(p.batch * p.num_kv_heads * head_dim))};
        attune_linear_state state{};
        state.size = sizeof state;
        state.past = kept.outer.empty() ? nullptr : kept.outer.data();
        state.present = in_place && !kept.outer.empty() ? kept.outer.data() : present.outer.data();
        if (divides_by_sum(spec())) {
            state.past_key_sum = kept.key_sum.empty() ? nullptr : kept.key_sum.data();
            state.present_key_sum = in_place && !kept.key_sum.empty() ? kept.key_sum.data() : present.key_sum.data();
        }
        attune_attention_args a{};
        a.size = sizeof a;
        a.version = ATTUNE_ATTENTION_ARGS_VERSION;
        a.query = query.data(), a.key = key.data(), a.value = value.data(), a.output = output.data();
        a.batch = p.batch, a.num_heads = p.num_heads, a.num_kv_heads = p.num_kv_heads, a.seq_len_q = rows, a.seq_len_kv = rows;
        const auto dense = [&](int64_t stride[3], int64_t heads, int64_t dim) { stride[0] = heads * rows * dim, stride[1] = rows * dim, stride[2] = dim; };
        dense(a.stride_query, p.num_heads, head_dim), dense(a.stride_key, p.num_kv_heads, head_dim);
        dense(a.stride_value, p.num_kv_heads, head_dim_v), dense(a.stride_output, p.num_heads, head_dim_v);
        a.params = of_part.data();
        a.state = &state;
        std::vector<char> memory(attune_kernel_workspace_size(kernel->kernel(), &a) + 64);
        a.workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
        a.workspace_size = memory.size() - 64;
        EXPECT_EQ(attune_kernel_run(kernel->kernel(), &a), ATTUNE_OK) << attune_last_error();
        if (!in_place || kept.outer.empty()) kept = present;
        return output;
    }

    /// Both within their bounds of the reference; `output` is of rows first … end - 1.
    void expect_right(const ReferenceProblem &p, const ReferenceResult &expected, const std::vector<float> &output, int64_t first, int64_t end) {
        const std::vector<double> wanted = rows_of(expected.output, p.seq_len_q, head_dim_v, first, end),
                                  error = rows_of(expected.output_error, p.seq_len_q, head_dim_v, first, end),
                                  size = rows_of(expected.value_abs, p.seq_len_q, head_dim_v, first, end);
        for (size_t i = 0; i < output.size(); i++) ASSERT_NEAR(output[i], wanted[i], error[i] + 9 * 0x1p-24 * size[i] + 0x1p-120) << "element " << i;
    }
    void expect_kept(const ReferenceResult &expected, const Kept &kept) {
        for (size_t i = 0; i < kept.outer.size(); i++) ASSERT_NEAR(kept.outer[i], expected.state[i], expected.state_error[i]) << "state " << i;
        for (size_t i = 0; i < kept.key_sum.size() && divides_by_sum(spec()); i++)
            ASSERT_NEAR(kept.key_sum[i], expected.key_sum[i], expected.key_sum_error[i]) << "key sum " << i;
    }

    const LoadedKernel *kernel = nullptr;
    cli::CallParams params;
};

TEST_P(LinearState, IsTheSumOfAllKeys) {
    const ReferenceProblem p = problem(150, 3);
    const ReferenceResult expected = reference_attention(p);
    Kept kept;
    expect_right(p, expected, run(p, 0, 150, kept, false), 0, 150);
    expect_kept(expected, kept);
}

TEST_P(LinearState, OfAPartIsThePastOfTheNext) {
    const ReferenceProblem p = problem(200, 4);
    const ReferenceResult expected = reference_attention(p);
    for (const bool in_place : {false, true}) {
        Kept kept;
        int64_t first = 0;
        for (const int64_t end : {1, 2, 67, 131, 199, 200}) {
            expect_right(p, expected, run(p, first, end, kept, in_place), first, end);
            first = end;
        }
        expect_kept(expected, kept);
    }
}

/// A step of decoding is the same arithmetic however long the past is, in any position of a chunk.
TEST_P(LinearState, DecodesRowByRow) {
    const ReferenceProblem p = problem(90, 5);
    const ReferenceResult expected = reference_attention(p);
    Kept kept;
    run(p, 0, 30, kept, true);
    for (int64_t row = 30; row < 90; row++) expect_right(p, expected, run(p, row, row + 1, kept, true), row, row + 1);
    expect_kept(expected, kept);
}

std::string case_name(const testing::TestParamInfo<std::tuple<std::string, StateCase>> &info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param).name;
}
INSTANTIATE_TEST_SUITE_P(Cpu, LinearState, testing::Combine(testing::ValuesIn(target_names()), testing::ValuesIn(state_cases)), case_name);

/// What is wrong with a state is told before anything is written.
struct StateError {
    const char *name, *normalizer;
    std::function<void(attune_linear_state &, float *memory)> change;
    attune_status status;
    const char *says;
    friend void PrintTo(const StateError &row, std::ostream *out) { *out << row.name; }
};
const StateError state_errors[] = {
    {"of_softmax", "softmax", [](auto &, float *) {}, ATTUNE_INVALID_ARGUMENT, "has none; pass null, or generate one with NORMALIZER linear"},
    {"size", "linear", [](auto &s, float *) { s.size = 4; }, ATTUNE_STRUCT_SIZE, "state.size is 4"},
    {"past_alone", "linear", [](auto &s, float *m) { s.past = m; }, ATTUNE_NULL_POINTER, "state.past_key_sum is null beside state.past"},
    {"present_sum_alone", "linear", [](auto &s, float *m) { s.present_key_sum = m; }, ATTUNE_NULL_POINTER, "state.present is null beside state.present_key_sum"},
    {"misaligned", "linear", [](auto &s, float *m) { s.present = reinterpret_cast<float *>(reinterpret_cast<char *>(m) + 2), s.present_key_sum = m + 100; },
     ATTUNE_MISALIGNED, "state.present is at"},
    {"half_in_place", "linear", [](auto &s, float *m) { s.past = m, s.past_key_sum = m + 100, s.present = m + 1, s.present_key_sum = m + 100; }, ATTUNE_INVALID_ARGUMENT,
     "state.present overlaps state.past"},
    {"sum_in_state", "linear", [](auto &s, float *m) { s.present = m, s.present_key_sum = m + 2; }, ATTUNE_INVALID_ARGUMENT, "overlaps"},
};

class LinearStateErrors : public testing::TestWithParam<StateError> {};

TEST_P(LinearStateErrors, AreToldBeforeAnythingIsWritten) {
    const StateError &row = GetParam();
    const LoadedKernel &kernel = kernel_for(make_spec(DType::f32, 4, 4, 1, {.mask = "causal", .normalizer = row.normalizer}), *available_targets().front());
    std::vector<float> query(8), key(8), value(8), output(8, -7), memory(200, -7);
    attune_linear_state state{};
    state.size = sizeof state;
    row.change(state, memory.data());
    attune_attention_args a{};
    a.size = sizeof a;
    a.version = ATTUNE_ATTENTION_ARGS_VERSION;
    a.query = query.data(), a.key = key.data(), a.value = value.data(), a.output = output.data();
    a.batch = a.num_heads = a.num_kv_heads = 1, a.seq_len_q = a.seq_len_kv = 2;
    for (int64_t *stride : {a.stride_query, a.stride_key, a.stride_value, a.stride_output}) stride[0] = stride[1] = 8, stride[2] = 4;
    a.state = &state;
    std::vector<char> workspace(attune_kernel_workspace_size(kernel.kernel(), &a) + 64);
    a.workspace = workspace.data() + (64 - reinterpret_cast<uintptr_t>(workspace.data()) % 64);
    a.workspace_size = workspace.size() - 64;
    EXPECT_EQ(attune_kernel_run(kernel.kernel(), &a), row.status);
    EXPECT_NE(std::string(attune_last_error()).find(row.says), std::string::npos) << attune_last_error();
    for (const float x : output) EXPECT_EQ(x, -7);
    for (const float x : memory) EXPECT_EQ(x, -7);
}
INSTANTIATE_TEST_SUITE_P(Cpu, LinearStateErrors, testing::ValuesIn(state_errors), [](const auto &info) { return std::string(info.param.name); });

/// The C++ interface hands the same arrays on, and counts them.
TEST(LinearStateInCpp, IsSpans) {
    const LoadedKernel &loaded = kernel_for(make_spec(DType::f32, 4, 3, 1, {.mask = "causal", .normalizer = "linear"}), *available_targets().front());
    const attune::Kernel kernel(loaded.kernel());
    attune::Workspace workspace;
    std::vector<float> query(5 * 4, 0.5f), key(5 * 4, 0.25f), value(5 * 3, 2), whole(5 * 3), parts(5 * 3), state(4 * 3), sum(4);
    const auto rows = [](float *data, int64_t first, int64_t count, int64_t dim) { return attune::bhsd(data + first * dim, {1, 1, count, dim}); };
    const auto args = [&](int64_t first, int64_t count, float *output) {
        return attune::AttentionArgs{.query = rows(query.data(), first, count, 4), .key = rows(key.data(), first, count, 4),
                                     .value = rows(value.data(), first, count, 3), .output = rows(output, first, count, 3)};
    };
    attune::Status status = kernel(args(0, 5, whole.data()), workspace);
    ASSERT_TRUE(status) << status.message();
    attune::AttentionArgs begin = args(0, 2, parts.data()), end = args(2, 3, parts.data());
    begin.state = {.present = state, .present_key_sum = sum};
    end.state = {.past = state, .past_key_sum = sum, .present = state, .present_key_sum = sum};
    for (const attune::AttentionArgs &part : {begin, end}) {
        status = kernel(part, workspace);
        ASSERT_TRUE(status) << status.message();
    }
    for (size_t i = 0; i < whole.size(); i++) EXPECT_NEAR(parts[i], whole[i], 1e-6);
    EXPECT_NEAR(sum[0], 5 * 1.25, 1e-5);
    end.state.past = std::span<const float>(state).first(11);
    EXPECT_EQ(kernel(end, workspace).message(), "attune: state.past has 11 entries but must have 12");
}

/// The recurrence by hand: two keys, head_dim 1.
TEST(LinearReference, FollowsTheRecurrence) {
    ReferenceProblem p;
    p.seq_len_q = p.seq_len_kv = 2;
    p.head_dim = p.head_dim_v = 1;
    p.normalizer = Normalizer::linear;
    p.query = {2, 3}, p.key = {5, 7}, p.value = {11, 13};
    p.linear = {.feature_map = FeatureMap::identity, .divides_by_sum = false, .is_causal = true};
    EXPECT_EQ(reference_attention(p).output, (std::vector<double>{2 * 55, 3 * (55 + 91)}));
    p.linear.beta = [](int64_t, int64_t kv, int64_t) { return kv == 0 ? 0.5 : 0.25; };
    const double first = 5 * 0.5 * 11, second = first + 7 * 0.25 * (13 - 7 * first);
    EXPECT_EQ(reference_attention(p).output, (std::vector<double>{2 * first, 3 * second}));
    p.linear.beta = {};
    p.linear.decay = [](int64_t, int64_t, int64_t, int) { return std::log(0.5); };
    EXPECT_NEAR(reference_attention(p).output[1], 3 * (0.5 * 55 + 91), 1e-12);
    p.linear = {.feature_map = FeatureMap::elu_plus_one, .divides_by_sum = true, .is_causal = false};
    p.key = {5, -1};
    EXPECT_NEAR(reference_attention(p).output[0], (6 * 11 + std::exp(-1) * 13) / (6 + std::exp(-1)), 1e-12);
}

}  // namespace
}  // namespace attune::test

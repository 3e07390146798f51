/// Decode kernels: one to sixteen query rows against caches of every length, over masks, scores, groups and types.
#include "generator/spec/error.h"
#include "tests/support/kernel_case.h"

namespace attune::test {

namespace {

struct DecodeCase {
    const char *name;
    DType dtype;
    int head_dim, head_dim_v, group;
    PairsText pairs = {};
    friend void PrintTo(const DecodeCase &row, std::ostream *out) { *out << row.name; }
};

const DecodeCase cases[] = {
    {"f32_d64", DType::f32, 64, 64, 1},
    {"f16_d128_group_4", DType::f16, 128, 128, 4, {.mask = "causal"}},
    {"bf16_d128_group_8_causal", DType::bf16, 128, 128, 8, {.mask = "causal"}},
    {"bf16_d10x7_group_3", DType::bf16, 10, 7, 3, {.mask = "causal"}},
    {"f32_d80x48_window", DType::f32, 80, 48, 2, {.mask = "causal && window(700)"}},
    {"f32_sinks_of_the_cache", DType::f32, 16, 16, 2, {.mask = "causal && (window(300) || kv < 4)"}},
    {"f16_alibi", DType::f16, 32, 32, 4, {.mask = "causal", .score = "alibi(slopes)", .params = "slopes: f32[h]"}},
    {"f32_bias", DType::f32, 24, 24, 2, {.score = "s + bias", .params = "bias: f32[h, kv]"}},
    {"f32_softcap_sink", DType::f32, 64, 64, 1, {.mask = "causal", .score = "softcap(s, 20)", .params = "sinks: f32[h]", .sink = "sinks"}},
    {"f32_documents", DType::f32, 16, 16, 2, {.mask = "causal && document(ids)", .params = "ids: i32[b, kv] nondecreasing"}},
    {"f32_any_group", DType::f32, 64, 64, 0, {.mask = "causal"}},
    {"f16_tree", DType::f16, 64, 64, 4,
     {.mask = "tree(ancestors, seq_len_q)", .params = "ancestors: i32[b, q]"}},
};

class Decode : public testing::TestWithParam<std::tuple<std::string, DecodeCase>> {
protected:
    void SetUp() override {
        const auto &[name, row] = GetParam();
        const bool emulate = must_emulate(name);
        if (!emulate && !available_target(name)) GTEST_SKIP() << "this CPU does not run " << name;
        spec = make_spec(row.dtype, row.head_dim, row.head_dim_v, row.group, row.pairs);
        spec.decode = true;
        spec.name = spec.id();
        kernel = &kernel_for(spec, cpu_target(name), {.overrides = {}, .emulate = emulate});
        heads = 2 * std::max(spec.group, spec.group == 0 ? 3 : 1);
    }

    void check(const ShapeCase &shape, InputKind kind, uint64_t seed) const {
        SCOPED_TRACE(shape.name);
        check_shape(*kernel, shape, kind, seed, {.threads = 3, .params = make_params(spec, shape, seed)});
    }

    AttentionSpec spec;
    const LoadedKernel *kernel = nullptr;
    int64_t heads = 2;
};

TEST_P(Decode, AgreesWithTheReference) {
    const ShapeCase shapes[] = {
        {"one_pair", 1, heads, 2, 1, 1},
        {"one_row", 1, heads, 2, 1, 700},
        {"a_chunk", 1, heads, 2, 1, 512},
        {"one_over_a_chunk", 2, heads, 2, 1, 513},
        {"two_rows", 1, heads, 2, 2, 1300},
        {"three_rows", 1, heads, 2, 3, 77},
        {"sixteen_rows", 1, heads, 2, 16, 1025},
        {"more_rows_than_keys", 1, heads, 2, 9, 4},
        {"no_key", 1, heads, 2, 2, 0},
        {"padded", 3, heads, 2, 5, 1100, {5, 1, 0}, {1100, 600, 3}, false, Layout::padded},
        {"packed", 3, heads, 2, 20, 1500, {16, 1, 3}, {900, 513, 87}, true},
    };
    uint64_t seed = 1;
    for (const ShapeCase &shape : shapes)
        for (InputKind kind : {InputKind::normal, InputKind::wide_8, InputKind::spike}) check(shape, kind, seed++);
}

INSTANTIATE_TEST_SUITE_P(Cpu, Decode, testing::Combine(testing::Values("sse41", "avx2", "avx512"), testing::ValuesIn(cases)),
                         [](const auto &info) { return std::get<0>(info.param) + "_" + std::get<1>(info.param).name; });

/// The same bits for any number of threads, whatever the neighbours' lengths, and wherever in the batch.
TEST(DecodeBits, DependOnARowsOwnInputs) {
    AttentionSpec spec = make_spec(DType::f32, 64, 64, 2, PairsText{.mask = "causal"});
    spec.decode = true;
    spec.name = spec.id();
    const LoadedKernel &kernel = kernel_for(spec, *available_targets().front());
    const ShapeCase two{"two", 2, 4, 2, 2, 1400, {}, {1400, 1400}};
    const ReferenceProblem p = make_problem(spec, two);
    const KernelResult alone = run_kernel(kernel, p, two);
    for (int threads : {2, 3, 7}) expect_same_bits(p, run_kernel(kernel, p, two, {.threads = threads}), alone, std::to_string(threads) + " threads");

    ReferenceProblem shorter = p;
    shorter.lengths_kv = {1400, 30};
    ShapeCase other = two;
    other.lengths_kv = {1400, 30};
    const auto first_sequence = [&](int64_t row) { return row < p.num_heads * p.seq_len_q; };
    expect_same_bits(p, run_kernel(kernel, shorter, other), alone, "a shorter neighbour", first_sequence);
}

/// A token's row alone and as the last of several drafts: other rows make chunks partial that it sees whole, and tiles of other sizes; more than 8 rows are
/// another function's. (Without FMA, on sse41, LLVM adds in another order where a mask selects.)
TEST(DecodeBits, AreThoseOfTheRowAlone) {
    struct Drafts {
        DType dtype;
        int dim, group;
        int64_t rows;
    };
    for (const CpuTarget *target : available_targets()) {
        if (std::string(target->name) == "sse41") continue;
        for (const auto &[dtype, dim, group, rows] :
             {Drafts{DType::f32, 64, 1, 5}, {DType::f32, 64, 1, 13}, {DType::f32, 64, 2, 5}, {DType::f16, 64, 4, 5}, {DType::f16, 72, 4, 9}}) {
            AttentionSpec spec = make_spec(dtype, dim, dim, group, PairsText{.mask = "causal"});
            spec.decode = true;
            spec.name = spec.id();
            const LoadedKernel &kernel = kernel_for(spec, *target);
            const int64_t heads = 2 * group;
            const ShapeCase several{"several", 1, heads, 2, rows, 1026}, one{"one", 1, heads, 2, 1, 1026};
            const ReferenceProblem p = make_problem(spec, several);
            ReferenceProblem last = make_problem(spec, one);
            last.key = p.key;
            last.value = p.value;
            for (int64_t h = 0; h < heads; h++)
                std::copy_n(p.query.begin() + (h * rows + rows - 1) * dim, dim, last.query.begin() + h * dim);
            const KernelResult of_several = run_kernel(kernel, p, several), of_one = run_kernel(kernel, last, one);
            for (int64_t h = 0; h < heads; h++)
                for (int64_t d = 0; d < dim; d++)
                    ASSERT_EQ(of_one.output_bits[static_cast<size_t>(h * dim + d)],
                              of_several.output_bits[static_cast<size_t>((h * rows + rows - 1) * dim + d)])
                        << describe(kernel) << ", " << rows << " rows, head " << h << " d " << d;
        }
    }
}

/// The last rows of a sequence by decode and by prefill: both within the bound of the same reference, so within twice the bound of each other.
TEST(DecodeAndPrefill, AgreeOnTheLastRows) {
    for (const auto &[dtype, group] : {std::pair(DType::f32, 1), {DType::f16, 4}, {DType::bf16, 2}}) {
        AttentionSpec decode = make_spec(dtype, 64, 64, group, PairsText{.mask = "causal && window(600)"}), prefill = decode;
        decode.decode = true;
        decode.name = decode.id();
        const CpuTarget &target = *available_targets().front();
        const ShapeCase shape{"last_rows", 2, 2 * group, 2, 7, 1200};
        const ReferenceProblem p = make_problem(decode, shape);
        const KernelResult few = run_kernel(kernel_for(decode, target), p, shape), many = run_kernel(kernel_for(prefill, target), p, shape);
        expect_right(kernel_for(decode, target), p, shape, few);
        expect_right(kernel_for(prefill, target), p, shape, many);
        const ReferenceResult expected = reference_attention(p);
        double largest = 0;
        for (size_t i = 0; i < few.output.size(); i++)
            largest = std::max(largest, std::abs(few.output[i] - many.output[i]) / (expected.value_abs[i] + 1e-3));
        EXPECT_LT(largest, dtype == DType::f32 ? 1e-5 : dtype == DType::f16 ? 3e-3 : 2e-2) << dtype_name(dtype);
    }
}

TEST(DecodeErrors, MoreRowsThanAKernelTakes) {
    AttentionSpec spec = make_spec(DType::f32, 8, 8, 1, PairsText{});
    spec.decode = true;
    spec.name = "few_rows";
    const LoadedKernel &kernel = kernel_for(spec, *available_targets().front());
    attune_attention_args args{};
    args.size = sizeof args;
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    args.batch = args.num_heads = args.num_kv_heads = 1;
    args.seq_len_q = 17;
    args.seq_len_kv = 32;
    for (int64_t *stride : {args.stride_query, args.stride_key, args.stride_value, args.stride_output}) stride[2] = 8;
    EXPECT_EQ(attune_kernel_workspace_size(kernel.kernel(), &args), 0u);
    const char *const sentence = "attune: seq_len_q has 17 rows but kernel few_rows is for decode, at most 16; use a kernel with phases prefill for more";
    EXPECT_STREQ(attune_last_error(), sentence);
    std::vector<float> tensor(17 * 8, 7.0f);
    args.query = args.key = args.value = tensor.data();
    args.output = tensor.data();
    EXPECT_EQ(attune_kernel_run(kernel.kernel(), &args), ATTUNE_INVALID_ARGUMENT);
    EXPECT_STREQ(attune_last_error(), sentence);
    EXPECT_EQ(tensor, std::vector<float>(17 * 8, 7.0f));

    const std::vector<int32_t> cu_q = {0, 1, 20}, cu_kv = {0, 16, 32};
    args.batch = 2;
    args.seq_len_q = 20;
    args.cu_seqlens_q = cu_q.data();
    args.cu_seqlens_kv = cu_kv.data();
    EXPECT_EQ(attune_kernel_workspace_size(kernel.kernel(), &args), 0u);
    EXPECT_STREQ(attune_last_error(), "attune: a sequence has 19 rows but kernel few_rows is for decode, at most 16; use a kernel with phases prefill for more");
}

TEST(DecodeErrors, ScheduleParameters) {
    AttentionSpec spec = make_spec(DType::f32, 8, 8, 1, PairsText{});
    spec.decode = true;
    for (const ScheduleParameters &overrides : {ScheduleParameters{{"split_kv", 100}}, {{"split_kv", 16384}}, {{"tile_q", 3}}})
        EXPECT_THROW(plan_kernel(spec, cpu_target("avx2"), overrides), Error) << overrides[0].first;
    EXPECT_EQ(plan_kernel(spec, cpu_target("avx2"), {{"split_kv", 64}}).parameters[0].second, 64);
}

}  // namespace
}  // namespace attune::test

// Any mask, any score: what the language can say runs as the reference evaluates it, on shapes with tails, in any layout, and what a mask
// hides stays hidden, whether a block of it is skipped or not.
#include "tests/conformance/kernels.h"

#include <map>
#include <string>

namespace attune::test {
namespace {

/// A row of the table. Scalars are by name; other arguments are random (cli::default_argument).
struct ExpressionCase {
    const char *name;
    int group;  ///< 0: any; then 3 query heads share a key/value head
    PairsText text;
    std::map<std::string, double> scalars = {};
    friend void PrintTo(const ExpressionCase &row, std::ostream *out) { *out << row.name; }
};

const ExpressionCase expression_cases[] = {
    {"window_causal", 1, {.mask = "causal && window(20)"}},
    {"window_two_sided", 3, {.mask = "window(17, 9)"}},
    {"window_param", 4, {.mask = "causal && window(w)", .params = "w: i32"}, {{"w", 21}}},
    {"window_params", 0, {.mask = "window(l, r)", .params = "l: i32; r: i32"}, {{"l", 3}, {"r", 70}}},
    {"window_hides_all", 1, {.mask = "window(w, w)", .params = "w: i32"}, {{"w", -1}}},
    {"chunk_causal", 0, {.mask = "chunk(32) && causal"}},
    {"prefix_or_causal", 3, {.mask = "prefix(n) || causal", .params = "n: i32"}, {{"n", 19}}},
    {"documents", 1, {.mask = "document(ids)", .params = "ids: i32[b, kv] nondecreasing"}},
    {"documents_causal", 4, {.mask = "document(ids) && causal", .params = "ids: i32[b, kv] nondecreasing"}},
    {"documents_unsorted", 3, {.mask = "document(ids)", .params = "ids: i32[b, kv]"}},
    {"strided", 1, {.mask = "strided(16) && causal"}},
    {"fixed", 3, {.mask = "fixed(16, 3) && causal"}},
    {"dilated", 0, {.mask = "dilated(3) && window(40)"}},
    {"global_or_window", 4, {.mask = "(global(5) || window(12, 12)) && causal"}},
    {"sinks_and_window", 3, {.mask = "causal && (window(25) || kv < 4)"}},
    {"bigbird", 1, {.mask = "bigbird(24, 16, 3, 1, 2, 7)"}},
    {"local_stride", 4, {.mask = "local_stride(16, 2, 3) && causal"}},
    {"neighborhood", 1, {.mask = "neighborhood2d(9, 11, 5)"}},
    {"neighborhood_dilated", 3, {.mask = "neighborhood2d(20, 20, 3, 2)"}},
    {"shifted_window", 0, {.mask = "shifted_window(12, 16, 4, 2)"}},
    {"tree", 3, {.mask = "tree(words, 32)", .params = "words: i32[b, q]"}},
    {"each_head_its_own", 4, {.mask = "select(h % 4 < 2, causal && window(10), select(h % 4 == 2, causal, kv % 2 == 0))"}},
    {"bool_tensor", 3, {.mask = "bits", .params = "bits: bool[b, 1, q, kv]"}},
    {"alibi", 4, {.mask = "causal", .score = "alibi(m)", .params = "m: f32[h]"}},
    {"softcap", 1, {.mask = "causal && window(50)", .score = "softcap(s, 5)"}},
    {"softcap_param", 3, {.score = "softcap(s, cap)", .params = "cap: f32"}, {{"cap", 2}}},
    {"relative_bias", 3, {.score = "relative_bias(t, 32, 128)", .params = "t: f32[h, n]"}},
    {"relative_bias_causal", 1, {.mask = "causal", .score = "relative_bias_causal(t, 16, 64)", .params = "t: f16[h, 16]"}},
    {"bias_f32", 0, {.score = "s + bias", .params = "bias: f32[1, h, q, kv]"}},
    {"bias_of_heads", 4, {.score = "s * scale + bias", .params = "scale: f32[h, 1, kv]; bias: f32[b, h, q, kv]"}},
    {"bias_f16", 3, {.mask = "causal", .score = "s + bias", .params = "bias: f16[b, 1, q, kv]"}},
    {"bias_bf16_of_rows", 1, {.score = "softcap(s, 20) + bias", .params = "bias: bf16[hkv, 1, kv]"}},
    {"sink", 4, {.mask = "causal && window(30)", .params = "logit: f32[h]", .sink = "logit"}},
    {"softmax_plus_one", 3, {.mask = "causal", .normalizer = "softmax_plus_one"}},
    {"sigmoid", 1, {.mask = "causal && window(60)", .score = "s - 2", .normalizer = "sigmoid"}},
    {"relu", 4, {.mask = "causal && window(60)", .score = "s / float(seq_len_kv)", .normalizer = "relu"}},
    {"linear", 1, {.normalizer = "linear"}},
    {"linear_causal", 4, {.mask = "causal", .normalizer = "linear"}},
    {"linear_any", 0, {.mask = "causal", .normalizer = "linear", .feature_map = "relu"}},
    {"linear_products", 3, {.mask = "causal", .normalizer = "linear", .feature_map = "identity"}},
    {"linear_decay", 3, {.mask = "causal", .normalizer = "linear", .decay = "g"}},
    {"linear_gated", 1, {.mask = "causal", .params = "g: f32[b, kv, hkv, 20]", .normalizer = "linear", .feature_map = "identity", .decay = "g"}},
    {"linear_delta", 4, {.mask = "causal", .normalizer = "linear", .feature_map = "identity", .beta = "rate"}},
    {"linear_gated_delta", 0, {.mask = "causal", .normalizer = "linear", .feature_map = "identity", .decay = "g", .beta = "rate"}},
    {"csr", 1, {.block_size = "64,32"}},
    {"csr_causal", 3, {.mask = "causal", .block_size = "32,64"}},
    {"csr_documents_alibi", 0, {.mask = "document(ids)", .score = "alibi(m)", .params = "ids: i32[b, kv] nondecreasing; m: f32[h]", .block_size = "128,128"}},
    {"csr_sigmoid", 4, {.mask = "window(70)", .normalizer = "sigmoid", .block_size = "48,32"}},
    {"raw_logits", 3, {.mask = "causal", .score = "softcap(s, 3)", .outputs = "out,lse,logits_raw"}},
    {"biased_logits", 1, {.mask = "causal", .score = "softcap(s + bias, 3)", .params = "bias: f32[h, q, kv]", .outputs = "out,lse,logits_biased"}},
    {"logits", 0, {.mask = "window(40)", .score = "alibi(m)", .params = "m: f32[h]", .outputs = "out,logits"}},
    {"weights", 4, {.mask = "causal && window(w)", .params = "w: i32; logit: f32[h]", .sink = "logit", .outputs = "out,lse,weights"}, {{"w", 33}}},
    {"weights_relu", 1, {.mask = "causal", .normalizer = "relu", .outputs = "out,weights"}},
    {"weights_sigmoid", 1, {.mask = "causal", .normalizer = "sigmoid", .outputs = "out,weights"}},
};

const std::vector<ShapeCase> shapes_of(int64_t group) {
    return {
        {"tails", 2, 2 * group, 2, 61, 93},
        {"one_query", 2, group, 1, 1, 77},
        {"no_key", 2, group, 1, 5, 0},
        {"more_queries_than_keys", 1, 2 * group, 2, 70, 40},
        {"several_blocks", 1, group, 1, 200, 333},
        {"lengths", 4, group, 1, 90, 140, {49, 31, 0, 90}, {69, 5, 140, 0}},
        {"padded", 2, 2 * group, 2, 50, 140, {49, 31}, {69, 128}, false, Layout::padded},
        {"packed_sequences", 4, group, 1, 70, 90, {70, 0, 33, 1}, {90, 7, 1, 65}, true},
    };
}

class Expressions : public testing::TestWithParam<std::tuple<std::string, ExpressionCase>> {
protected:
    void SetUp() override {
        const auto &[name, row] = GetParam();
        target = available_target(name);
        if (!target) GTEST_SKIP() << "this CPU does not run " << name;
        group = row.group == 0 ? 3 : row.group;
    }
    const LoadedKernel &kernel_of(DType dtype) const {
        const ExpressionCase &row = std::get<1>(GetParam());
        const CpuTarget &best = *available_targets(dtype).front();
        return kernel_for(make_spec(dtype, 20, 12, row.group, row.text), dtype == DType::f32 ? *target : best);
    }
    cli::CallParams params_of(const LoadedKernel &kernel, const ShapeCase &shape, uint64_t seed) const {
        return make_params(kernel.plan().spec, shape, seed, std::get<1>(GetParam()).scalars);
    }
    const CpuTarget *target = nullptr;
    int64_t group = 1;
};

std::string case_name(const testing::TestParamInfo<std::tuple<std::string, ExpressionCase>> &info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param).name;
}

/// One of the half types for each row, so that both meet every kind of mask.
DType half_type(const char *name) {
    size_t sum = 0;
    for (const char *c = name; *c; c++) sum += static_cast<unsigned char>(*c);
    return sum % 2 ? DType::f16 : DType::bf16;
}

TEST_P(Expressions, AreWhatTheReferenceEvaluates) {
    std::vector<DType> dtypes = {DType::f32};
    if (target == available_targets().front()) dtypes.push_back(half_type(std::get<1>(GetParam()).name));  // compiling takes most of the time
    for (const DType dtype : dtypes) {
        const LoadedKernel &kernel = kernel_of(dtype);
        uint64_t seed = 40;
        for (const ShapeCase &shape : shapes_of(group)) {
            SCOPED_TRACE(shape.name);
            seed++;
            for (const InputKind inputs : {InputKind::normal, InputKind::wide_8})
                check_shape(kernel, shape, inputs, seed, {.threads = 1, .lse = true, .poison = true, .params = params_of(kernel, shape, seed)});
        }
    }
}

/// NaN and infinity in one key or value at a time: rows that do not see it keep their bits.
TEST_P(Expressions, HideWhatTheyHide) {
    const ShapeCase shape = {"tails", 1, 2 * group, 2, 61, 93};
    const LoadedKernel &kernel = kernel_of(DType::f32);
    RunOptions options;
    options.params = params_of(kernel, shape, 60);
    const ReferenceProblem plain = make_problem(kernel.plan().spec, shape, InputKind::normal, 60, options.params);
    const KernelResult expected = run_kernel(kernel, plain, shape, options);
    for (const int64_t kv : {0, 1, 15, 16, 31, 32, 33, 47, 60, 63, 64, 65, 80, 91, 92}) {
        for (const bool in_value : {false, true}) {
            const double poison = in_value && kv % 2 ? infinity : nan_value;
            ReferenceProblem poisoned = plain;
            set_row(in_value ? poisoned.value : poisoned.key, plain, in_value ? plain.head_dim_v : plain.head_dim, 0, 0, kv, poison);
            expect_same_bits(plain, run_kernel(kernel, poisoned, shape, options), expected,
                             describe(kernel) + ": " + std::to_string(poison) + (in_value ? " in value " : " in key ") + std::to_string(kv),
                             [&](int64_t row) {
                                 const int64_t h = row / plain.seq_len_q % plain.num_heads;
                                 return h >= group || !sees(plain, 0, h, row % plain.seq_len_q, kv);
                             });
        }
    }
}

/// The bits do not depend on threads, nor on where the arguments lie.
TEST_P(Expressions, GiveTheSameBitsOnThreadsAndInOtherLayouts) {
    ShapeCase shape = {"tails", 2, group, 1, 101, 133};
    const LoadedKernel &kernel = kernel_of(DType::f32);
    RunOptions options;
    options.params = params_of(kernel, shape, 61);
    const ReferenceProblem p = make_problem(kernel.plan().spec, shape, InputKind::wide_8, 61, options.params);
    const KernelResult expected = run_kernel(kernel, p, shape, options);
    options.threads = 3;
    expect_same_bits(p, run_kernel(kernel, p, shape, options), expected, describe(kernel) + " 3 threads");
    shape.layout = Layout::padded;
    expect_same_bits(p, run_kernel(kernel, p, shape, options), expected, describe(kernel) + " padded");
}

INSTANTIATE_TEST_SUITE_P(Cpu, Expressions, testing::Combine(testing::ValuesIn(target_names()), testing::ValuesIn(expression_cases)), case_name);

/// A bias of -infinity hides its pair: in whole blocks, in whole rows, anywhere.
TEST(BiasOfMinusInfinity, Hides) {
    for (const CpuTarget *target : available_targets()) {
        for (const char *type : {"f32", "f16", "bf16"}) {
            for (const auto &[normalizer, algorithm] : {std::pair("softmax", Algorithm::automatic), std::pair("softmax", Algorithm::fixed_reference),
                                                        std::pair("sigmoid", Algorithm::automatic)}) {
                const PairsText text = {.score = "s + bias", .params = std::string("bias: ") + type + "[h, q, kv]", .normalizer = normalizer};
                AttentionSpec wanted = make_spec(DType::f32, 20, 12, 1, text);
                wanted.algorithm = algorithm;
                const LoadedKernel &kernel = kernel_for(wanted, *target);
                const AttentionSpec &spec = kernel.plan().spec;
                const ShapeCase shape = {"tails", 1, 2, 2, 61, 133};
                ParamValue bias = make_params(spec, shape, 62).values()[0];
                for (int64_t i = 0; i < static_cast<int64_t>(bias.elements.size()); i++) {
                    const int64_t kv = i % 133, q = i / 133 % 61;
                    if (kv / 64 == 1 || q == 5 || (kv + q) % 3 == 0) bias.elements[static_cast<size_t>(i)] = -infinity;
                }
                const RunOptions options = {.params = {spec, {cli::make_argument(spec.params[0], bias.extents, bias.elements)}}};
                const ReferenceProblem p = make_problem(spec, shape, InputKind::normal, 62, options.params);
                const KernelResult result = run_kernel(kernel, p, shape, options);
                expect_right(kernel, p, shape, result, 62);
                for (int64_t d = 0; d < 12; d++) EXPECT_EQ(result.output_bits[static_cast<size_t>(5 * 12 + d)], 0u) << describe(kernel);
            }
        }
    }
}

/// Rows of a strip share the loop that leaves hidden keys out: those that hide nothing keep their bits.
TEST(BiasOfMinusInfinity, LeavesOtherRowsAlone) {
    for (const CpuTarget *target : available_targets()) {
        for (Algorithm algorithm : {Algorithm::fixed_reference, Algorithm::online, Algorithm::full_row}) {
            AttentionSpec wanted = make_spec(DType::f32, 20, 12, 1, {.score = "s + bias", .params = "bias: f32[h, q, kv]"});
            wanted.algorithm = algorithm;
            const LoadedKernel &kernel = kernel_for(wanted, *target);
            const AttentionSpec &spec = kernel.plan().spec;
            const ShapeCase shape = {"tails", 1, 2, 2, 61, 133};
            ParamValue bias = make_params(spec, shape, 64).values()[0];
            const auto result = [&] {
                const RunOptions options = {.params = {spec, {cli::make_argument(spec.params[0], bias.extents, bias.elements)}}};
                return run_kernel(kernel, make_problem(spec, shape, InputKind::normal, 64, options.params), shape, options);
            };
            const KernelResult expected = result();
            for (int64_t kv : {3, 70, 132}) bias.elements[static_cast<size_t>(5 * 133 + kv)] = -infinity;  // row 5 of head 0
            const KernelResult got = result();
            for (size_t i = 0; i < got.output_bits.size(); i++) {
                if (i / 12 == 5) continue;
                ASSERT_EQ(got.output_bits[i], expected.output_bits[i]) << describe(kernel) << ", row " << i / 12;
            }
        }
    }
}

/// The plan's closed forms meet lengths that are no round numbers: every length up to a few blocks, one row for each.
TEST(Expressions, AtEveryLength) {
    const CpuTarget &target = *available_targets().front();
    const PairsText texts[] = {{.mask = "causal && window(20)"},
                               {.mask = "(global(3) || window(12, 5)) && chunk(50)"},
                               {.mask = "document(ids) && causal", .params = "ids: i32[b, kv] nondecreasing"},
                               {.mask = "causal", .block_size = "32,32"}};
    for (const PairsText &text : texts) {
        const LoadedKernel &kernel = kernel_for(make_spec(DType::f32, 8, 4, 1, text), target);
        for (int64_t seq_len_kv = 1; seq_len_kv < 140; seq_len_kv += 3) {
            for (const int64_t seq_len_q : {seq_len_kv, (seq_len_kv + 1) / 2, int64_t(1), int64_t(50)}) {
                const ShapeCase shape = {"any", 1, 1, 1, seq_len_q, seq_len_kv};
                check_shape(kernel, shape, InputKind::normal, 63, {.params = make_params(kernel.plan().spec, shape, 63)});
            }
        }
    }
}

}  // namespace
}  // namespace attune::test

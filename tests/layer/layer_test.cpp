#include "tests/layer/projection_case.h"

#include "generator/spec/layer_spec.h"

#include <fmt/format.h>

namespace attune::test {
namespace {

struct LayerCase {
    const char *name;
    const char *toml;
    int64_t batch, seq_len, seq_len_context = 0;
    std::vector<int32_t> lengths = {}, lengths_context = {};
    int64_t gap = 0;
    friend void PrintTo(const LayerCase &row, std::ostream *out) { *out << row.name; }
};

const LayerCase cases[] = {
    {"self", "[layer]\nd_model = 48\nheads = 3\n", 2, 21},
    {"one_token", "[layer]\nd_model = 48\nheads = 3\n", 1, 1},
    {"causal_grouped", "[layer]\nd_model = 40\nheads = 4\nkv_heads = 2\nbias = false\n[kernel]\nmask = \"causal\"\nhead_dim = 12\n", 1, 70},
    {"window_of_wide_values", "[layer]\nd_model = 33\nheads = 3\noutput_bias = false\n[kernel]\nmask = \"window(5, 5)\"\nhead_dim = 8\nhead_dim_v = 20\n", 2, 37, 0, {37, 12}},
    {"lengths_and_gaps", "[layer]\nd_model = 32\nheads = 2\n", 3, 19, 0, {19, 0, 7}, {}, 5},
    {"cross", "[layer]\nd_model = 32\nd_context = 24\nheads = 4\nkv_heads = 1\n", 2, 9, 30, {9, 4}, {30, 11}, 3},
    {"normed", "[layer]\nd_model = 48\nheads = 4\nkv_heads = 2\nqk_norm = {}\n", 2, 11},
    {"turned", "[layer]\nd_model = 48\nheads = 3\nrope = {style = \"half\", base = 100}\n[kernel]\nmask = \"causal\"\n", 1, 40},
    {"normed_and_partly_turned", "[layer]\nd_model = 40\nheads = 2\nqk_norm = {eps = 0.01}\nrope = {style = \"interleaved\", dims = 8}\n", 2, 23, 0, {23, 9}, {}, 3},
    {"linear_causal", "[layer]\nd_model = 48\nheads = 4\nkv_heads = 2\n[kernel]\nmask = \"causal\"\nnormalizer = \"linear\"\n", 2, 53, 0, {53, 20}},
    {"linear_cross", "[layer]\nd_model = 32\nd_context = 24\nheads = 2\n[kernel]\nnormalizer = \"linear\"\nfeature_map = \"relu\"\n", 2, 9, 30, {9, 4}, {30, 11}},
    {"cross_without_context", "[layer]\nd_model = 32\nd_context = 24\nheads = 4\n", 1, 5, 0},
};

/// The best code of this machine for the type, or with emulated instructions that of another.
struct Way {
    const char *name;
    DType dtype;
    const char *emulated = nullptr;  ///< its target
};
const Way ways[] = {{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}, {"bf16_pairs_emulated", DType::bf16, "avx512_bf16"}, {"bf16_tiles_emulated", DType::bf16, "amx"}};

using Parameters = std::tuple<Way, LayerCase>;
class Layers : public testing::TestWithParam<Parameters> {};

LayerSpec spec_of(DType dtype, const std::string &toml) {
    RawSpec raw = read_spec_text(toml, "layer.toml");
    set_spec_flag(raw, "kernel.dtype", dtype_name(dtype), "--dtype");
    return validate_layer(raw);
}

ReferenceLayer make_layer(const LayerSpec &spec, const LayerCase &row) {
    const DType dtype = spec.attention.dtype;
    uint64_t seed = 1;
    auto weights = [&](int outputs, int inputs, bool bias) {
        ReferenceWeights w{random_numbers(dtype, static_cast<int64_t>(outputs) * inputs, seed++, 1 / std::sqrt(inputs)), {}};
        if (bias) w.bias = random_numbers(dtype, outputs, seed++, 0.5);
        return w;
    };
    const int d_source = spec.is_cross() ? spec.d_context : spec.d_model;
    ReferenceLayer layer;
    layer.batch = row.batch;
    layer.seq_len = row.seq_len;
    layer.seq_len_context = row.seq_len_context;
    layer.input = random_numbers(dtype, row.batch * row.seq_len * spec.d_model, seed++);
    layer.context = random_numbers(dtype, row.batch * row.seq_len_context * spec.d_context, seed++);
    layer.query = weights(spec.query_columns(), spec.d_model, spec.bias);
    layer.key = weights(spec.key_columns(), d_source, spec.bias);
    layer.value = weights(spec.value_columns(), d_source, spec.bias);
    layer.output = weights(spec.d_model, spec.heads * spec.attention.head_dim_v, spec.output_bias);
    if (spec.qk_norm_eps > 0)
        for (std::vector<double> *norm : {&layer.query_norm, &layer.key_norm}) *norm = random_numbers(dtype, spec.attention.head_dim, seed++);
    if (spec.rope.style != RopeSpec::Style::none && row.batch > 1)
        for (int64_t i = 0; i < row.batch * row.seq_len; i++) layer.positions.push_back(static_cast<int32_t>(3 * i % 101));
    layer.lengths = row.lengths;
    layer.lengths_context = row.lengths_context;
    return layer;
}

/// A weight matrix as the kernel's elements.
struct StoredWeights {
    StoredWeights(DType dtype, const ReferenceWeights &w, int64_t inputs)
        : weight(dtype, w.weight, inputs, inputs + 3), bias(dtype, w.bias, 1, 1), given{weight.elements(), bias.elements(), inputs + 3} {}
    Rows weight, bias;
    WeightMatrix given;
};

std::vector<uint32_t> run(const Layer &layer, const LayerSpec &spec, const ReferenceLayer &problem, const LayerCase &row, int threads) {
    const DType dtype = spec.attention.dtype;
    const int d_source = spec.is_cross() ? spec.d_context : spec.d_model;
    StoredWeights query(dtype, problem.query, spec.d_model), key(dtype, problem.key, d_source), value(dtype, problem.value, d_source),
        output(dtype, problem.output, spec.heads * spec.attention.head_dim_v);
    Rows query_norm(dtype, problem.query_norm, 1, 1), key_norm(dtype, problem.key_norm, 1, 1);
    PackedWeights packed;
    expect_ok(layer.pack({.query = query.given, .key = key.given, .value = value.given, .output = output.given, .query_norm = query_norm.elements(), .key_norm = key_norm.elements()}, packed));

    // What lies after a sequence's length is NaN, and must reach no other row.
    std::vector<double> tokens = problem.input, context = problem.context;
    auto poison = [](std::vector<double> &rows, const std::vector<int32_t> &lengths, int64_t seq, int64_t columns) {
        for (size_t b = 0; b < lengths.size(); b++)
            for (int64_t i = lengths[b] * columns; i < seq * columns; i++) rows[b * static_cast<size_t>(seq * columns) + static_cast<size_t>(i)] = NAN;
    };
    poison(tokens, row.lengths, row.seq_len, spec.d_model);
    poison(context, row.lengths_context, row.seq_len_context, spec.d_context);
    const int64_t stride = spec.d_model + row.gap, stride_context = std::max(spec.d_context, 1) + row.gap;
    Rows x(dtype, tokens, spec.d_model, stride), c(dtype, context, std::max(spec.d_context, 1), stride_context);
    Rows y(dtype, std::vector<double>(problem.input.size(), -7.0), spec.d_model, stride);
    Workspace workspace;
    expect_ok(layer({.input = x.elements(),
                     .context = c.elements(),
                     .output = y.elements(),
                     .weights = packed,
                     .batch = row.batch,
                     .seq_len = row.seq_len,
                     .seq_len_context = row.seq_len_context,
                     .stride_input = {row.seq_len * stride, stride},
                     .stride_context = {row.seq_len_context * stride_context, stride_context},
                     .stride_output = {row.seq_len * stride, stride},
                     .lengths = row.lengths,
                     .lengths_context = row.lengths_context,
                     .positions = problem.positions,
                     .num_threads = threads},
                    workspace));
    EXPECT_TRUE(y.guards_hold());
    std::vector<uint32_t> bits;
    for (int64_t r = 0; r < row.batch * row.seq_len; r++)
        for (int64_t n = 0; n < spec.d_model; n++) bits.push_back(y.bits(r * stride + n));
    return bits;
}

TEST_P(Layers, StayInsideTheComposedBound) {
    const auto &[way, row] = GetParam();
    const DType dtype = way.dtype;
    if (way.emulated && !machine_runs(cpu_target("avx2"))) GTEST_SKIP() << "this CPU does not run avx2";
    const LayerSpec spec = spec_of(dtype, row.toml);
    const auto loaded = way.emulated ? load_layer(spec, cpu_target(way.emulated), {.overrides = {}, .emulate = true}) : load_layer(spec, *available_targets(spec.attention.types()).front());
    const Layer layer(loaded->layer());
    const ReferenceLayer problem = make_layer(spec, row);
    const std::vector<uint32_t> bits = run(layer, spec, problem, row, 1);
    const Bounded expected = reference_layer(spec, problem, loaded->attention().plan().rounds_weights);
    const double share = largest_share(expected, [&](size_t i) { return number_of(dtype, bits[i]); });
    EXPECT_LE(share, 1.0);
    EXPECT_EQ(bits, run(layer, spec, problem, row, 3)) << "threads change no bit";
}

INSTANTIATE_TEST_SUITE_P(All, Layers, testing::Combine(testing::ValuesIn(ways), testing::ValuesIn(cases)),
                         [](const auto &info) { return fmt::format("{}_{}", std::get<0>(info.param).name, std::get<1>(info.param).name); });

class LayerErrors : public testing::Test {
protected:
    void SetUp() override {
        spec = spec_of(DType::f32, cases[0].toml);
        loaded = load_layer(spec, *machine_targets().back());
        layer = loaded->layer();
        packed_size = attune_layer_packed_size(layer);
        packed = aligned_memory(packed_size);
        args.size = sizeof args;
        args.version = ATTUNE_LAYER_ARGS_VERSION;
        args.input = x.data();
        args.output = y.data();
        args.weights = packed.get();
        args.batch = 2;
        args.seq_len = 5;
        args.workspace_size = attune_layer_workspace_size(layer, &args);
        workspace = aligned_memory(args.workspace_size);
        args.workspace = workspace.get();
    }
    void expect(attune_status status, const std::string &text) {
        EXPECT_EQ(status, attune_layer_run(layer, &args));
        EXPECT_NE(std::string::npos, std::string(attune_last_error()).find(text)) << attune_last_error();
        EXPECT_TRUE(std::all_of(y.begin(), y.end(), [](float v) { return v == -7.0f; })) << "output was touched";
    }

    LayerSpec spec;
    std::unique_ptr<LoadedLayer> loaded;
    const attune_layer *layer = nullptr;
    size_t packed_size = 0;
    Memory packed, workspace;
    std::vector<float> x = std::vector<float>(480, 1.0f), y = std::vector<float>(480, -7.0f);
    attune_layer_args args{};
};

TEST_F(LayerErrors, NameArgumentValueAndCure) {
    args.version = 9;
    expect(ATTUNE_STRUCT_SIZE, "ATTUNE_LAYER_ARGS_VERSION");
    args.version = ATTUNE_LAYER_ARGS_VERSION;
    args.seq_len = -2;
    expect(ATTUNE_INVALID_ARGUMENT, "seq_len is -2");
    args.seq_len = 5;
    args.context = x.data();
    expect(ATTUNE_INVALID_ARGUMENT, "generate a layer with d_context");
    args.context = nullptr;
    const int32_t lengths[] = {5, 6};
    args.lengths = lengths;
    expect(ATTUNE_INDEX_RANGE, "lengths[1] is 6 but must be from 0 to 5");
    args.lengths = nullptr;
    args.input = nullptr;
    expect(ATTUNE_NULL_POINTER, "input is null");
    args.input = x.data();
    args.weights = nullptr;
    expect(ATTUNE_NULL_POINTER, "weights is null");
    args.weights = packed.get();
    args.workspace_size = 64;
    expect(ATTUNE_WORKSPACE_TOO_SMALL, "workspace");
}

TEST_F(LayerErrors, OfWeights) {
    attune_layer_weights weights{};
    EXPECT_EQ(ATTUNE_NULL_POINTER, attune_layer_pack(layer, nullptr, packed.get(), packed_size));
    EXPECT_EQ(ATTUNE_NULL_POINTER, attune_layer_pack(layer, &weights, packed.get(), packed_size));
    EXPECT_NE(std::string::npos, std::string(attune_last_error()).find("weights[0].weight is null")) << attune_last_error();
    weights.query_norm = x.data();
    EXPECT_EQ(ATTUNE_INVALID_ARGUMENT, attune_layer_pack(layer, &weights, packed.get(), packed_size));
    weights.query_norm = nullptr;
    EXPECT_EQ(ATTUNE_WORKSPACE_TOO_SMALL, attune_layer_pack(layer, &weights, packed.get(), packed_size - 1));
}

}  // namespace
}  // namespace attune::test

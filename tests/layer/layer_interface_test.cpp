/// attune/layer.hpp. Right results over all shapes, through the same header: layer_test.cpp, projection_test.cpp.
#include "attune/layer_kernel.h"
#include "generator/spec/layer_spec.h"
#include "tests/layer/projection_case.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <new>

namespace {
std::atomic<int64_t> news = 0;  // of all threads
}
// Not inline: GCC 12 would see malloc on one side and delete on the other, and warn of a mismatch (-Wmismatched-new-delete).
[[gnu::noinline]] void *operator new(size_t bytes) {
    news++;
    if (void *memory = std::malloc(bytes ? bytes : 1)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void *memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void *memory, size_t) noexcept { std::free(memory); }

namespace attune::test {
namespace {

std::vector<float> floats(int64_t count, uint64_t seed) {
    const std::vector<double> numbers = random_numbers(DType::f32, count, seed, 0.3);
    return std::vector<float>(numbers.begin(), numbers.end());
}
/// A call whose workspace has grown before.
template <class Callee, class Args>
void expect_no_allocation(const Callee &callee, const Args &args, Workspace &workspace) {
    const void *before = workspace.data();
    const int64_t news_before = news;
    const Status status = callee(args, workspace);
    EXPECT_EQ(news - news_before, 0);
    EXPECT_TRUE(status);
    EXPECT_EQ(workspace.data(), before);
}
std::vector<double> doubles(const std::vector<float> &numbers) { return std::vector<double>(numbers.begin(), numbers.end()); }

/// A dense layer of 20 inputs and 12 outputs, and a call of it with 2 x 3 rows.
struct DenseInterface : testing::Test {
    ProjectionSpec spec = {.name = "dense", .dtype = DType::f32, .in_features = 20, .out_features = 12, .bias = true, .activation = Activation::relu, .targets = {}};
    std::unique_ptr<LoadedProjection> loaded = load_projection(spec, *machine_targets().back());
    Projection dense{loaded->projection()};
    std::vector<float> weight = floats(12 * 20, 1), bias = floats(12, 2), x = floats(2 * 3 * 20, 3), y = std::vector<float>(2 * 3 * 12);
    PackedWeights packed;
    Workspace workspace;

    void SetUp() override { expect_ok(dense.pack({weight, bias}, packed)); }
    ProjectionArgs args() { return {.input = x, .output = y, .weights = packed, .batch = 2, .rows = 3}; }
    std::string message(const ProjectionArgs &a) { return std::string(dense(a, workspace).message()); }
    void expect_right() {
        const Bounded expected = reference_projection(spec, 6, exactly(doubles(x)), {doubles(weight), doubles(bias)});
        EXPECT_LE(largest_share(expected, [&](size_t i) { return y[i]; }), 1.0);
    }
};

TEST_F(DenseInterface, ACallReadsAsASentence) {
    const std::vector<float> &input = x;
    const Status status = dense({.input = input, .output = y, .weights = packed, .rows = 6}, workspace);
    ASSERT_TRUE(status) << status.message();
    expect_right();
    EXPECT_EQ(dense.workspace_size(args()), workspace.size());
}

TEST_F(DenseInterface, IsDescribed) {
    EXPECT_TRUE(dense);
    EXPECT_EQ(dense.name(), "dense");
    EXPECT_EQ(dense.info().id, spec.id());
    EXPECT_STREQ(dense.info().dtype, "f32");
    EXPECT_STREQ(dense.info().activation, "relu");
    EXPECT_EQ(std::tuple(dense.info().in_features, dense.info().out_features, dense.info().has_bias), std::tuple(20, 12, 1));
    EXPECT_EQ(dense.target(), machine_targets().back()->name);
    EXPECT_EQ(dense.packed_size(), packed.size());
}

TEST_F(DenseInterface, NoneIsSaidToBeNone) {
    attune_projection other = *loaded->projection();
    other.abi++;
    for (const Projection &none : {Projection(), Projection(nullptr), Projection(&other)}) {
        EXPECT_FALSE(none);
        EXPECT_EQ(none.name(), "");
        EXPECT_EQ(none.target(), "");
        EXPECT_EQ(none.packed_size(), 0u);
        EXPECT_EQ(none(args(), workspace).code(), none.get() ? ATTUNE_STRUCT_SIZE : ATTUNE_NULL_POINTER);
        PackedWeights nothing;
        EXPECT_EQ(none.pack({weight, bias}, nothing).code(), none.get() ? ATTUNE_STRUCT_SIZE : ATTUNE_NULL_POINTER);
        EXPECT_FALSE(nothing);
    }
}

TEST_F(DenseInterface, MatricesStandSideBySide) {
    const std::vector<WeightMatrix> parts = {{std::span(weight).first(5 * 20), std::span(bias).first(5)}, {std::span(weight).subspan(5 * 20), std::span(bias).subspan(5)}};
    expect_ok(dense.pack(parts, packed));
    expect_ok(dense(args(), workspace));
    expect_right();
}

TEST_F(DenseInterface, RowsMayBeApart) {
    std::vector<float> wide(2 * 70), result(2 * 50, -7.0f);
    for (int b = 0; b < 2; b++)
        for (int r = 0; r < 3; r++) std::copy_n(&x[static_cast<size_t>((b * 3 + r) * 20)], 20, &wide[static_cast<size_t>(b * 70 + r * 23)]);
    expect_ok(dense({.input = wide, .output = result, .weights = packed, .batch = 2, .rows = 3, .stride_input = {70, 23}, .stride_output = {50, 16}}, workspace));
    for (int b = 0; b < 2; b++)
        for (int r = 0; r < 3; r++) std::copy_n(&result[static_cast<size_t>(b * 50 + r * 16)], 12, &y[static_cast<size_t>((b * 3 + r) * 12)]);
    expect_right();
    EXPECT_EQ(result[12], -7.0f) << "written between rows";
}

TEST_F(DenseInterface, SizesThatDoNotFitAreNamed) {
    ProjectionArgs a = args();
    a.input = std::span(x).first(119);
    EXPECT_EQ(message(a), "attune: input has 119 elements but must have 120: batch 2 x rows 3 x in_features 20");
    a = args();
    a.rows = 0;  // forgotten
    EXPECT_EQ(message(a), "attune: input has 120 elements but must have 0: batch 2 x rows 0 x in_features 20");
    a = args();
    a.output = x;
    EXPECT_EQ(message(a), "attune: output has 120 elements but must have 72: batch 2 x rows 3 x out_features 12");
    a = args();
    a.stride_output = {40, 14};
    EXPECT_EQ(message(a), "attune: output has 72 elements but must have at least 80: batch 2 x rows 3 x out_features 12 with these strides");
    a = args();
    std::array<uint16_t, 120> halves{};
    a.input = halves;
    EXPECT_EQ(message(a), "attune: input has elements of 2 bytes, but projection dense was generated for f32; generate one with dtype f16 or bf16");
    EXPECT_EQ(dense(a, workspace).code(), ATTUNE_SHAPE_MISMATCH);
}

TEST_F(DenseInterface, WhatTheRuntimeFindsIsSaidInItsWords) {
    ProjectionArgs a = args();
    a.rows = -3;
    EXPECT_EQ(message(a).substr(0, 20), "attune: rows is -3 b") << message(a);
    a = args();
    a.batch = INT64_MAX, a.rows = INT64_MAX;
    EXPECT_EQ(message(a).substr(0, 35), "attune: batch is 922337203685477580") << message(a);
    a = args();
    a.weights = {};
    EXPECT_EQ(message(a), "attune: weights is null; pass what the pack function made");
    a = args();
    a.output = OutputSpan(x.data(), 72, 4);
    EXPECT_EQ(message(a).substr(0, 29), "attune: output overlaps input") << message(a);
}

TEST_F(DenseInterface, MatricesThatDoNotFitAreNamed) {
    PackedWeights other;
    expect_ok(dense.pack({weight, bias}, other));
    const auto message = [&](const std::vector<WeightMatrix> &parts) { return std::string(dense.pack(parts, other).message()); };
    EXPECT_EQ(message({{std::span(weight).first(239), bias}}), "attune: weights[0].weight has 239 elements but must have 240: outputs 12 x inputs 20");
    EXPECT_FALSE(other) << "after an error there are none";
    EXPECT_EQ(message({{weight, std::span(bias).first(11)}}), "attune: weights[0].bias has 11 elements but must have 12, one an output");
    EXPECT_EQ(message({{weight, bias, 21}}), "attune: weights[0].weight has 240 elements but must have at least 251: outputs 12 x inputs 20 with these strides");
    EXPECT_EQ(message({{weight}}), "attune: weights[0].bias is null but dense has one; pass its first element");
    EXPECT_EQ(message({{std::span(weight).first(100), std::span(bias).first(5)}, {std::span(weight).first(120), std::span(bias).first(6)}}),
              "attune: weights have 11 outputs but dense has 12; pass matrices that add up to them");
    const std::vector<uint16_t> halves(240);
    EXPECT_EQ(message({{halves, bias}}), "attune: weights[0].weight has elements of 2 bytes, but projection dense was generated for f32; generate one with dtype f16 or bf16");
}

TEST_F(DenseInterface, PackedWeightsMove) {
    const void *data = packed.data();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
    PackedWeights moved = std::move(packed);
    EXPECT_EQ(moved.data(), data);
    EXPECT_FALSE(packed);
    EXPECT_EQ(packed.size(), 0u);
    EXPECT_EQ(message(args()), "attune: weights is null; pass what the pack function made");
    PackedWeights filled;
    expect_ok(dense.pack({weight, bias}, filled));
    filled = std::move(moved);
    EXPECT_FALSE(moved);
    EXPECT_EQ(filled.data(), data);
    expect_ok(dense({.input = x, .output = y, .weights = filled, .rows = 6}, workspace));
    expect_right();
    static_assert(!std::is_copy_constructible_v<PackedWeights> && !std::is_copy_assignable_v<PackedWeights>);
    static_assert(std::is_nothrow_move_constructible_v<PackedWeights> && std::is_nothrow_move_constructible_v<WeightMemory>);
}

TEST_F(DenseInterface, WeightsLieSideBySideInOnePieceOfMemory) {
    WeightMemory memory(2 * dense.packed_size());
    ASSERT_EQ(memory.size(), size_t{2} << 20);
    PackedWeights first, second;
    expect_ok(dense.pack({weight, bias}, first, &memory));
    expect_ok(dense.pack({weight, bias}, second, &memory));
    EXPECT_EQ(static_cast<const char *>(second.data()) - static_cast<const char *>(first.data()), static_cast<ptrdiff_t>(dense.packed_size()));
    EXPECT_EQ(memory.used(), 2 * dense.packed_size());
    const WeightMemory moved = std::move(memory);
    expect_ok(dense({.input = x, .output = y, .weights = second, .rows = 6}, workspace));
    expect_right();
    EXPECT_EQ(dense.pack({weight, bias}, second, &memory).message(),
              fmt::format("attune: memory has 0 bytes left but dense needs {}; make it as large as all packed_size() together", dense.packed_size()));
    EXPECT_FALSE(second);
    EXPECT_EQ(WeightMemory(SIZE_MAX).size(), 0u);
}

TEST_F(DenseInterface, WeightsOfAnotherAreRefused) {
    ProjectionSpec narrow = spec;
    narrow.name = "narrow", narrow.in_features = 19;
    const auto other = load_projection(narrow, *machine_targets().back());
    PackedWeights of_other;
    expect_ok(Projection(other->projection()).pack({std::span(weight).first(12 * 19), bias}, of_other));
    ProjectionArgs a = args();
    a.weights = of_other;
    EXPECT_EQ(message(a), "attune: weights were packed for narrow but must be those of projection dense; pack them with it");
    a.weights = PackedView(packed.data());  // as the C function made them: not known
    expect_ok(dense(a, workspace));
    expect_right();
}

TEST_F(DenseInterface, CallsDoNotAllocate) {
    expect_ok(dense(args(), workspace));  // grows the workspace, starts threads
    expect_no_allocation(dense, args(), workspace);
    const ProjectionArgs wrong{.input = x, .output = y, .weights = packed, .rows = 5};
    const int64_t news_of_error = news;
    const Status error = dense(wrong, workspace);
    EXPECT_GT(news - news_of_error, 0) << "the text of an error: does this count anything?";
    EXPECT_FALSE(error);
}

/// A layer of 2 heads of 8, with all that a layer may have.
struct LayerInterface : testing::Test {
    LayerSpec spec = validate_layer(read_spec_text("[layer]\nname = \"whole\"\nd_model = 16\nheads = 2\nqk_norm = {}\nrope = {style = \"half\"}\n[kernel]\nmask = \"causal\"\n", "layer.toml"));
    std::unique_ptr<LoadedLayer> loaded = load_layer(spec, *machine_targets().back());
    Layer layer{loaded->layer()};
    std::vector<float> square = floats(16 * 16, 1), bias = floats(16, 2), norm = floats(8, 3), x = floats(2 * 5 * 16, 4), y = std::vector<float>(2 * 5 * 16);
    LayerWeights weights{.query = {square, bias}, .key = {square, bias}, .value = {square, bias}, .output = {square, bias}, .query_norm = norm, .key_norm = norm};
    PackedWeights packed;
    Workspace workspace;

    void SetUp() override { expect_ok(layer.pack(weights, packed)); }
    LayerArgs args() { return {.input = x, .output = y, .weights = packed, .batch = 2, .seq_len = 5}; }
    std::string message(const LayerArgs &a) { return std::string(layer(a, workspace).message()); }
    std::string pack_message() { return std::string(layer.pack(weights, packed).message()); }
};

TEST_F(LayerInterface, IsDescribed) {
    EXPECT_TRUE(layer);
    EXPECT_EQ(layer.name(), "whole");
    const attune_layer_info &info = layer.info();
    EXPECT_STREQ(info.dtype, "f32");
    EXPECT_EQ(std::tuple(info.d_model, info.d_context, info.heads, info.kv_heads, info.head_dim, info.head_dim_v), std::tuple(16, 0, 2, 2, 8, 8));
    EXPECT_EQ(std::tuple(info.has_rope, info.has_qk_norm), std::tuple(1, 1));
    EXPECT_EQ(layer.target(), machine_targets().back()->name);
    EXPECT_EQ(layer.packed_size(), packed.size());
    EXPECT_EQ(layer.token_projection().info().out_features, 48);
    EXPECT_EQ(layer.output_projection().info().in_features, 16);
    EXPECT_EQ(layer.attention().info().head_dim, 8);
    EXPECT_FALSE(layer.context_projection());
}

TEST_F(LayerInterface, NoneIsSaidToBeNone) {
    for (const Layer &none : {Layer(), Layer(nullptr)}) {
        EXPECT_FALSE(none);
        EXPECT_EQ(none.name(), "");
        EXPECT_FALSE(none.supported());
        EXPECT_FALSE(none.attention());
        EXPECT_EQ(none(args(), workspace).message(), "attune: layer is null; pass <name>_layer of a generated one");
        EXPECT_EQ(none.pack(weights, packed).code(), ATTUNE_NULL_POINTER);
    }
    attune_layer other = *loaded->layer();
    other.abi++;
    EXPECT_FALSE(Layer(&other));
}

/// What stands around attention may be a program's own: the parts are callable for themselves.
TEST_F(LayerInterface, ItsPartsMakeTheWhole) {
    const LayerSpec plain = validate_layer(read_spec_text("[layer]\nd_model = 16\nheads = 2\nkv_heads = 1\n[kernel]\nmask = \"causal\"\n", "layer.toml"));
    const auto loaded_plain = load_layer(plain, *machine_targets().back());
    const Layer whole(loaded_plain->layer());
    const WeightMatrix parts[] = {{square, bias}, {std::span(square).first(8 * 16), std::span(bias).first(8)}, {std::span(square).last(8 * 16), std::span(bias).last(8)}};
    expect_ok(whole.pack({.query = parts[0], .key = parts[1], .value = parts[2], .output = {square, bias}}, packed));
    expect_ok(whole({.input = x, .output = y, .weights = packed, .batch = 2, .seq_len = 5}, workspace));

    PackedWeights of_tokens, of_output;
    expect_ok(whole.token_projection().pack(parts, of_tokens));
    expect_ok(whole.output_projection().pack({square, bias}, of_output));
    std::vector<float> qkv(2 * 5 * 32), mixed(2 * 5 * 16), result(2 * 5 * 16);
    expect_ok(whole.token_projection()({.input = x, .output = qkv, .weights = of_tokens, .rows = 10}, workspace));
    const Shape heads{.batch = 2, .heads = 2, .seq_len = 5, .head_dim = 8};
    const auto [query, key, value] = packed_qkv(qkv.data(), heads, 1);
    expect_ok(whole.attention()({.query = query, .key = key, .value = value, .output = bshd(mixed.data(), heads)}, workspace));
    expect_ok(whole.output_projection()({.input = mixed, .output = result, .weights = of_output, .rows = 10}, workspace));
    EXPECT_EQ(result, y);
}

TEST_F(LayerInterface, PositionsAreThoseOfAllSequencesOrOfEach) {
    const int32_t of_all[] = {3, 1, 4, 1, 5}, of_each[] = {3, 1, 4, 1, 5, 3, 1, 4, 1, 5};
    LayerArgs a = args();
    a.positions = of_all;
    expect_ok(layer(a, workspace));
    const std::vector<float> expected = y;
    a.positions = of_each;
    expect_ok(layer(a, workspace));
    EXPECT_EQ(y, expected);
    a.positions = {};
    expect_ok(layer(a, workspace));
    EXPECT_NE(y, expected);
    a.positions = std::span(of_each).first(6);
    EXPECT_EQ(message(a), "attune: positions has 6 entries but must have 5 for all sequences, or as many for each of the 2");
}

TEST_F(LayerInterface, SizesThatDoNotFitAreNamed) {
    LayerArgs a = args();
    a.seq_len = 6;
    EXPECT_EQ(message(a), "attune: input has 160 elements but must have 192: batch 2 x seq_len 6 x d_model 16");
    a = args();
    a.output = std::span(y).first(80);
    EXPECT_EQ(message(a), "attune: output has 80 elements but must have 160: batch 2 x seq_len 5 x d_model 16");
    a = args();
    const int32_t three[] = {1, 2, 3};
    a.lengths = three;
    EXPECT_EQ(message(a), "attune: lengths has 3 entries but must have 2");
    a = args();
    const int32_t long_ones[] = {5, 6};  // found by the C function
    a.lengths = long_ones;
    EXPECT_EQ(message(a), "attune: lengths[1] is 6 but must be from 0 to 5");
    a = args();
    a.context = x;
    EXPECT_EQ(message(a), "attune: context is given but layer whole has none; leave it, its length and lengths 0, or generate a layer with d_context");
}

TEST_F(LayerInterface, SizesOfContextsAreNamed) {
    const LayerSpec cross = validate_layer(read_spec_text("[layer]\nname = \"cross\"\nd_model = 16\nd_context = 8\nheads = 2\nbias = false\n", "layer.toml"));
    const auto loaded_cross = load_layer(cross, *machine_targets().back());
    const Layer other(loaded_cross->layer());
    EXPECT_EQ(other.context_projection().info().in_features, 8);
    EXPECT_EQ(other.pack({.query = {square}, .key = {square}, .value = {square}, .output = {square, bias}}, packed).message(),
              "attune: key.weight has 256 elements but must have 128: outputs 16 x inputs 8");
    const std::span<const float> narrow = std::span(square).first(16 * 8);
    expect_ok(other.pack({.query = {square}, .key = {narrow}, .value = {narrow}, .output = {square, bias}}, packed));
    LayerArgs a = args();
    a.context = std::span(x).first(2 * 3 * 8);
    a.seq_len_context = 3;
    expect_ok(other(a, workspace));
    a.seq_len_context = 4;
    EXPECT_EQ(other(a, workspace).message(), "attune: context has 48 elements but must have 64: batch 2 x seq_len_context 4 x d_context 8");
}

TEST_F(LayerInterface, WeightsThatDoNotFitAreNamed) {
    const LayerWeights right = weights;
    weights.value.weight = std::span(square).first(255);
    EXPECT_EQ(pack_message(), "attune: value.weight has 255 elements but must have 256: outputs 16 x inputs 16");
    EXPECT_FALSE(packed);
    weights = right, weights.output.bias = std::span(bias).first(8);
    EXPECT_EQ(pack_message(), "attune: output.bias has 8 elements but must have 16, one an output");
    weights = right, weights.key_norm = bias;
    EXPECT_EQ(pack_message(), "attune: key_norm has 16 elements but must have 8, the head_dim of the layer");
    weights = right, weights.query_norm = {};  // found by the C function
    EXPECT_EQ(pack_message(), "attune: query_norm or key_norm is null but layer whole has qk_norm; pass head_dim elements of each");
    weights = right, weights.query.bias = {};
    EXPECT_EQ(pack_message(), "attune: weights[0].bias is null but whole_projection has one; pass its first element");
}

TEST_F(LayerInterface, CallsDoNotAllocate) {
    expect_ok(layer(args(), workspace));
    expect_no_allocation(layer, args(), workspace);
}

}  // namespace
}  // namespace attune::test

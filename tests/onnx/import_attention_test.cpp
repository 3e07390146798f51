// The rule from a node's attributes, types and shapes to specifications. Whether the specifications compute the same as ONNX is what
// run_cases.py shows; here stand the corners that no case of the onnx package has.
#include "generator/import/import_attention.h"
#include "tests/onnx/tensors.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

using test::key;
using test::tensor;

/// 2 sequences, 8 query heads over 2, 4 queries, 6 keys, head_size 16.
OnnxAttention some_node() {
    OnnxAttention node{.name = "node", .opset = 25};
    node.query = tensor("Q", onnx_type::float32, {2, 8, 4, 16});
    node.key = tensor("K", onnx_type::float32, {2, 2, 6, 16});
    node.value = tensor("V", onnx_type::float32, {2, 2, 6, 16});
    node.output = "Y";
    return node;
}

std::string key(const OnnxAttention &node, const std::string &name) {
    const ImportedAttention imported = import_attention(node);
    EXPECT_EQ(imported.refusal, "");
    return key(imported.kernel, name);
}

TEST(ImportAttention, StatesWhatTheNodeFixes) {
    OnnxAttention node = some_node();
    node.scale = 0.3f;
    node.value = tensor("V", onnx_type::float32, {2, 2, 6, 24});
    EXPECT_EQ(import_toml(import_attention(node).kernel, "name", {"a comment"}), "# a comment\n"
                                                                                 "[kernel]\n"
                                                                                 "name = \"name\"\n"
                                                                                 "dtype = \"f32\"\n"
                                                                                 "head_dim = 16\n"
                                                                                 "head_dim_v = 24\n"
                                                                                 "group = 4\n"
                                                                                 "scale = 0.3\n"
                                                                                 "outputs = [\"out\"]\n");
}

TEST(ImportAttention, LeavesAnUnknownRatioOfHeadsToTheCall) {
    OnnxAttention node = some_node();
    node.query.shape->at(1) = {-1, "heads"};
    EXPECT_EQ(key(node, "group"), "\"any\"");
    node.key.shape->at(1) = node.value.shape->at(1) = {-1, "heads"};
    EXPECT_EQ(key(node, "group"), "1");
}

TEST(ImportAttention, SplitsHiddenSizes) {
    OnnxAttention node = some_node();
    node.query = tensor("Q", onnx_type::float32, {2, -1, 128});
    node.key = tensor("K", onnx_type::float32, {2, -1, 32});
    node.value = tensor("V", onnx_type::float32, {2, -1, 48});
    EXPECT_NE(import_attention(node).refusal.find("need q_num_heads"), std::string::npos);
    node.q_num_heads = 8;
    node.kv_num_heads = 2;
    EXPECT_EQ(key(node, "head_dim") + " " + key(node, "head_dim_v") + " " + key(node, "group"), "16 24 4");
    EXPECT_EQ(import_attention(node).num_heads, 8);
    node.kv_num_heads = 5;
    EXPECT_EQ(import_attention(node).refusal, "K has 32 elements a position, no multiple of its 5 heads");
}

struct Positions {
    const char *name;
    int64_t length_q, length_kv, past;  // past: -2 none, -1 an unknown length
    bool lengths;
    const char *causal, *window_left, *window_both;
};
class ImportPositions : public testing::TestWithParam<Positions> {};
TEST_P(ImportPositions, CountFromTheFirstNewKey) {
    const Positions &p = GetParam();
    OnnxAttention node = some_node();
    node.query.shape->at(2).size = p.length_q;
    node.key.shape->at(2).size = node.value.shape->at(2).size = p.length_kv;
    if (p.past > -2) {
        node.past_key = tensor("past_key", onnx_type::float32, {2, 2, p.past, 16});
        node.past_value = tensor("past_value", onnx_type::float32, {2, 2, p.past, 16});
    }
    if (p.lengths)
        node.nonpad_kv_seqlen = tensor("lengths", onnx_type::int64, {2});
    EXPECT_EQ(import_attention(node).kernel.lengths_kv, p.lengths ? "lengths" : "");
    node.is_causal = true;
    EXPECT_EQ(key(node, "mask"), p.causal);
    EXPECT_EQ(key(node, "past_length"), std::string(p.causal).find("past_length") == std::string::npos ? "" : "\"i32\"");
    node.is_causal = false;
    node.left_window_size = 3;
    EXPECT_EQ(key(node, "mask"), p.window_left);
    node.right_window_size = 1;
    EXPECT_EQ(key(node, "mask"), p.window_both);
}
INSTANTIATE_TEST_SUITE_P(
    All, ImportPositions,
    testing::Values(  // queries, new keys, past, lengths
        Positions{"square", 6, 6, -2, false, "\"causal\"", "\"window(3)\"", "\"window(3, 1)\""},
        Positions{"cross", 4, 6, -2, false, "\"causal_top_left\"", "\"q - 3 <= kv\"", "\"q - 3 <= kv && kv <= q + 1\""},
        Positions{"unknown_lengths", -1, -1, -2, false, "\"causal_top_left\"", "\"q - 3 <= kv\"", "\"q - 3 <= kv && kv <= q + 1\""},
        // The past has any length, and as many new keys as queries come after it.
        Positions{"cache", 1, 1, -1, false, "\"causal\"", "\"window(3)\"", "\"window(3, 1)\""},
        Positions{"cache_and_more_keys", 4, 6, 12, false, "\"kv <= q + 12\"", "\"q + 9 <= kv\"", "\"q + 9 <= kv && kv <= q + 13\""},
        Positions{"empty_cache", 4, 6, 0, false, "\"causal_top_left\"", "\"q - 3 <= kv\"", "\"q - 3 <= kv && kv <= q + 1\""},
        Positions{"unknown_cache_and_more_keys", 4, 6, -1, false, "\"kv <= q + past_length\"", "\"q + past_length - 3 <= kv\"",
                  "\"q + past_length - 3 <= kv && kv <= q + past_length + 1\""},
        Positions{"padded", 4, 6, -2, true, "\"causal\"", "\"window(3)\"", "\"window(3, 1)\""}),
    [](const auto &info) { return info.param.name; });

TEST(ImportAttention, CausalIsStricterThanARightWindow) {
    OnnxAttention node = some_node();
    node.is_causal = true;
    node.right_window_size = 7;
    EXPECT_EQ(key(node, "mask"), "\"causal_top_left\"");
}

TEST(ImportAttention, AWindowBeyondAnySequenceHidesNothing) {
    OnnxAttention node = some_node();
    node.left_window_size = node.right_window_size = INT64_MAX;
    EXPECT_EQ(key(node, "mask"), "");
}

struct MaskShape {
    const char *name;
    std::vector<int64_t> shape;
    const char *dims;
};
class ImportMaskShapes : public testing::TestWithParam<MaskShape> {};
TEST_P(ImportMaskShapes, AreAlignedAtTheLastDimension) {
    OnnxAttention node = some_node();
    node.attn_mask = tensor("mask", onnx_type::boolean, GetParam().shape);
    const std::string dims = GetParam().dims;
    EXPECT_EQ(key(node, "mask_bits"), "\"bool[" + dims + "]\"");
    EXPECT_EQ(key(node, "mask"), "\"mask_bits\"");
    EXPECT_EQ(key(node, "score"), "");
    EXPECT_EQ(import_attention(node).kernel.params.at(0).pad, "false");
    node.attn_mask.type = onnx_type::float16;
    node.softcap = 2.5f;
    EXPECT_EQ(key(node, "bias"), "\"f16[" + dims + "]\"");
    EXPECT_EQ(key(node, "mask"), "");
    EXPECT_EQ(key(node, "score"), "\"softcap(s, 2.5) + bias\"");
    EXPECT_EQ(import_attention(node).kernel.params.at(0).pad, "-inf");
}
INSTANTIATE_TEST_SUITE_P(All, ImportMaskShapes,
                         testing::Values(MaskShape{"keys", {6}, "kv"}, MaskShape{"one_key_is_padded_not_repeated", {1}, "kv"},
                                         MaskShape{"rows_and_keys", {4, 6}, "q, kv"}, MaskShape{"one_row", {1, 6}, "1, kv"},
                                         MaskShape{"heads", {8, 4, 6}, "h, q, kv"}, MaskShape{"batch", {2, 1, 4, 6}, "b, 1, q, kv"},
                                         MaskShape{"unknown_extents", {-1, -1, -1, -1}, "b, h, q, kv"}),
                         [](const auto &info) { return info.param.name; });

struct Pairs {
    const char *name;
    int64_t mode;
    float softcap;
    bool causal, lengths;
    const char *output, *own;  // of the kernel; of one of its own
};
class ImportPairs : public testing::TestWithParam<Pairs> {};
TEST_P(ImportPairs, ComeFromAKernelWithTheMaskThatTheyHave) {
    const Pairs &p = GetParam();
    OnnxAttention node = some_node();
    node.qk_matmul_output = "qk";
    node.qk_matmul_output_mode = p.mode;
    node.softcap = p.softcap;
    node.is_causal = p.causal;
    if (p.lengths)
        node.nonpad_kv_seqlen = tensor("lengths", onnx_type::int64, {2});
    const ImportedAttention imported = import_attention(node);
    EXPECT_EQ(imported.refusal, "");
    EXPECT_EQ(imported.kernel.pairs, p.output);
    EXPECT_EQ(imported.pairs_kernel.pairs, p.own);
    EXPECT_EQ(imported.pairs_kernel.keys.empty(), *p.own == 0);
    EXPECT_EQ(key(imported.pairs_kernel, "mask"), "");
    EXPECT_EQ(key(imported.pairs_kernel, "score"), std::string(p.own) == "logits" ? "\"softcap(s, 2)\"" : "");
    EXPECT_EQ(imported.pairs_kernel.lengths_kv, "");
}
INSTANTIATE_TEST_SUITE_P(All, ImportPairs,
                         testing::Values(  // mode, softcap, causal, lengths
                             Pairs{"product", 0, 2, true, false, "logits_raw", ""},
                             Pairs{"product_without_padding", 0, 2, true, true, "", "logits_raw"},
                             Pairs{"soft_cap", 1, 2, false, false, "logits", ""},
                             Pairs{"soft_cap_before_mask", 1, 2, true, false, "", "logits"},
                             Pairs{"no_soft_cap", 1, 0, true, false, "logits_raw", ""}, Pairs{"masked", 2, 2, true, true, "logits", ""},
                             Pairs{"softmax", 3, 2, true, true, "weights", ""}),
                         [](const auto &info) { return info.param.name; });

struct Refused {
    const char *name;
    void (*change)(OnnxAttention &node);
    const char *reason;
};
class ImportRefusals : public testing::TestWithParam<Refused> {};
TEST_P(ImportRefusals, SayWhy) {
    OnnxAttention node = some_node();
    GetParam().change(node);
    EXPECT_NE(import_attention(node).refusal.find(GetParam().reason), std::string::npos) << import_attention(node).refusal;
}
INSTANTIATE_TEST_SUITE_P(
    All, ImportRefusals,
    testing::Values(
        Refused{"no_key", [](OnnxAttention &n) { n.key = {}; }, "input K is missing"},
        Refused{"no_shape", [](OnnxAttention &n) { n.key.shape.reset(); }, "no type and rank for K (\"K\")"},
        Refused{"rank",
                [](OnnxAttention &n) {
                    n.query = tensor("Q", onnx_type::float32, {4, 16});
                },
                "Q has rank 2, expected 3 or 4"},
        Refused{"ranks",
                [](OnnxAttention &n) {
                    n.value = tensor("V", onnx_type::float32, {2, 6, 32});
                },
                "V has rank 3, and Q has 4"},
        Refused{"double_precision", [](OnnxAttention &n) { n.query.type = onnx_type::float64; }, "Q is double"},
        Refused{"mixed_types", [](OnnxAttention &n) { n.value.type = onnx_type::float16; }, "V is float16 and Q is float"},
        Refused{"unknown_head_size", [](OnnxAttention &n) { n.query.shape->at(3) = n.key.shape->at(3) = {}; }, "head_size of Q and K"},
        Refused{"head_sizes", [](OnnxAttention &n) { n.key.shape->at(3).size = 8; }, "head_size is 16 in one input and 8 in another"},
        Refused{"heads", [](OnnxAttention &n) { n.query.shape->at(1).size = 9; }, "9 query heads are no multiple of 2"},
        Refused{"heads_of_rank_4", [](OnnxAttention &n) { n.q_num_heads = 8; }, "have rank 4"},
        Refused{"integer_mask",
                [](OnnxAttention &n) {
                    n.attn_mask = tensor("m", onnx_type::int32, {4, 6});
                },
                "attn_mask is int32"},
        Refused{"mask_rows",
                [](OnnxAttention &n) {
                    n.attn_mask = tensor("m", onnx_type::boolean, {3, 6});
                },
                "dimension 0 is 3, expected 1 or 4"},
        Refused{"mask_keys",
                [](OnnxAttention &n) {
                    n.attn_mask = tensor("m", onnx_type::boolean, {4, 7});
                },
                "covers 7 keys, and there are 6"},
        Refused{"scalar_mask", [](OnnxAttention &n) { n.attn_mask = tensor("m", onnx_type::boolean, {}); }, "attn_mask has rank 0"},
        Refused{"half_a_past",
                [](OnnxAttention &n) {
                    n.past_key = tensor("p", onnx_type::float32, {2, 2, 3, 16});
                },
                "given together"},
        Refused{"scale", [](OnnxAttention &n) { n.scale = -1.0f; }, "scale is -1, expected a positive number"},
        Refused{"window", [](OnnxAttention &n) { n.left_window_size = -2; }, "are -2 and -1, expected -1 or more"},
        Refused{"mode", [](OnnxAttention &n) { n.qk_matmul_output_mode = 4; }, "qk_matmul_output_mode is 4"},
        Refused{"precision", [](OnnxAttention &n) { n.softmax_precision = 7; }, "softmax_precision is 7"},
        Refused{"problem_of_the_node", [](OnnxAttention &n) { n.problem = "no"; }, "no"}),
    [](const auto &info) { return info.param.name; });

}  // namespace
}  // namespace attune

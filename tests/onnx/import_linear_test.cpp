// The rule of LinearAttention. That the specifications compute the same as ONNX is what run_cases.py shows.
#include "generator/import/import_linear.h"
#include "tests/onnx/tensors.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

using test::key;
using test::tensor;

/// 2 sequences of 5, 8 query heads over 4, head_size 16, 24 of values; gated_delta.
OnnxLinear some_node() {
    OnnxLinear node{.name = "node", .opset = 27};
    node.query = tensor("query", onnx_type::float32, {2, 5, 128});
    node.key = tensor("key", onnx_type::float32, {2, 5, 64});
    node.value = tensor("value", onnx_type::float32, {2, 5, 96});
    node.decay = tensor("g", onnx_type::float32, {2, 5, 64});
    node.beta = tensor("b", onnx_type::float32, {2, 5, 4});
    node.output = "output";
    node.q_num_heads = 8;
    node.kv_num_heads = 4;
    return node;
}

TEST(ImportLinear, StatesWhatTheNodeFixes) {
    OnnxLinear node = some_node();
    node.scale = 0.3f;
    const ImportedLinear imported = import_linear(node);
    EXPECT_EQ(import_toml(imported.kernel, "name", {}), "[kernel]\n"
                                                        "name = \"name\"\n"
                                                        "dtype = \"f32\"\n"
                                                        "head_dim = 16\n"
                                                        "head_dim_v = 24\n"
                                                        "group = 2\n"
                                                        "scale = 0.3\n"
                                                        "mask = \"causal\"\n"
                                                        "normalizer = \"linear\"\n"
                                                        "feature_map = \"identity\"\n"
                                                        "decay = \"decay\"\n"
                                                        "beta = \"beta\"\n"
                                                        "outputs = [\"out\"]\n"
                                                        "\n[params]\n"
                                                        "decay = \"f32[b, kv, hkv, 16]\"\n"
                                                        "beta = \"f32[b, kv, hkv]\"\n");
    ASSERT_EQ(imported.kernel.params.size(), 2u);
    EXPECT_EQ(imported.kernel.params[0].tensor, "g");
    EXPECT_EQ(imported.kernel.params[1].tensor, "b");
    EXPECT_EQ(imported.num_heads, 8);
    EXPECT_EQ(imported.num_kv_heads, 4);
}

struct Rule {
    const char *name;
    bool decay, beta;
};
class ImportLinearRules : public testing::TestWithParam<Rule> {};
TEST_P(ImportLinearRules, HaveTheParametersThatTheyNeed) {
    OnnxLinear node = some_node();
    node.update_rule = GetParam().name;
    node.decay = GetParam().decay ? tensor("decay", onnx_type::float32, {2, 5, 4}) : OnnxTensor{};
    node.beta = GetParam().beta ? tensor("beta", onnx_type::float32, {2, 5, 1}) : OnnxTensor{};
    const ImportedLinear imported = import_linear(node);
    EXPECT_EQ(imported.refusal, "");
    EXPECT_EQ(key(imported.kernel, "decay"), GetParam().decay ? "\"decay\"" : "");
    EXPECT_EQ(key(imported.kernel, "beta"), GetParam().beta ? "\"beta\"" : "");
    EXPECT_EQ(imported.kernel.params.size(), size_t{GetParam().decay} + size_t{GetParam().beta});
    for (const auto &param : imported.kernel.params)
        EXPECT_EQ(param.type, "f32[b, kv, hkv]");
}
INSTANTIATE_TEST_SUITE_P(All, ImportLinearRules,
                         testing::Values(Rule{"linear", false, false}, Rule{"gated", true, false}, Rule{"delta", false, true},
                                         Rule{"gated_delta", true, true}),
                         [](const auto &info) { return info.param.name; });

TEST(ImportLinear, TakesHeadSizesFromTheStateWhereTheInputsHaveSymbols) {
    OnnxLinear node = some_node();
    node.update_rule = "linear";
    node.decay = node.beta = {};
    node.query.shape->at(2) = node.key.shape->at(2) = node.value.shape->at(2) = {-1, "hidden"};
    EXPECT_EQ(import_linear(node).refusal, "head_size is not a number in the model: a kernel needs it");
    node.past_state = tensor("past", onnx_type::float32, {2, 4, 16, 24});
    EXPECT_EQ(key(import_linear(node).kernel, "head_dim"), "16");
    EXPECT_EQ(key(import_linear(node).kernel, "head_dim_v"), "24");
}

struct Refused {
    const char *name;
    void (*change)(OnnxLinear &node);
    const char *reason;
};
class ImportLinearRefusals : public testing::TestWithParam<Refused> {};
TEST_P(ImportLinearRefusals, SayWhy) {
    OnnxLinear node = some_node();
    GetParam().change(node);
    EXPECT_NE(import_linear(node).refusal.find(GetParam().reason), std::string::npos) << import_linear(node).refusal;
}
INSTANTIATE_TEST_SUITE_P(
    All, ImportLinearRefusals,
    testing::Values(
        Refused{"no_heads", [](OnnxLinear &n) { n.kv_num_heads.reset(); }, "q_num_heads and kv_num_heads are missing"},
        Refused{"zero_heads", [](OnnxLinear &n) { n.kv_num_heads = 0; }, "are 8 and 0, expected at least 1"},
        Refused{"heads", [](OnnxLinear &n) { n.q_num_heads = 2; }, "head_size is 64 in one input and 16 in another"},
        Refused{"rank", [](OnnxLinear &n) { n.query = tensor("q", onnx_type::float32, {2, 8, 5, 16}); }, "query has rank 4, expected 3"},
        Refused{"rule", [](OnnxLinear &n) { n.update_rule = "comba"; }, "update_rule is \"comba\""},
        Refused{"no_decay", [](OnnxLinear &n) { n.decay = {}; }, "update_rule gated_delta needs decay"},
        Refused{"needless_beta", [](OnnxLinear &n) { n.update_rule = "gated"; }, "update_rule gated has no beta"},
        Refused{"decay", [](OnnxLinear &n) { n.decay.shape->at(2).size = 5; }, "5 numbers a position, expected 4 (one for each head) or 64"},
        Refused{"unknown_decay", [](OnnxLinear &n) { n.decay.shape->at(2) = {}; }, "the last dimension of decay is not a number"},
        Refused{"beta", [](OnnxLinear &n) { n.beta.shape->at(2).size = 8; }, "beta has 8 numbers a position, expected 1 or 4"},
        Refused{"types", [](OnnxLinear &n) { n.beta.type = onnx_type::float16; }, "beta is float16 and query is float"},
        Refused{"state", [](OnnxLinear &n) { n.past_state = tensor("s", onnx_type::float64, {2, 4, 16, 24}); }, "past_state is double"},
        Refused{"state_size", [](OnnxLinear &n) { n.past_state = tensor("s", onnx_type::float32, {2, 4, 16, 16}); },
                "the head_size of value is 24 in one input and 16 in another"},
        Refused{"lengths", [](OnnxLinear &n) { n.value.shape->at(1).size = 6; }, "the length is 5 in one input and 6 in another"},
        Refused{"scale", [](OnnxLinear &n) { n.scale = -1; }, "scale is -1"},
        Refused{"problem_of_the_node", [](OnnxLinear &n) { n.problem = "no"; }, "no"}),
    [](const auto &info) { return info.param.name; });

}  // namespace
}  // namespace attune

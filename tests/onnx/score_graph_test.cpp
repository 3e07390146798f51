// Graphs on scores and what they are as a mask and a score.
#include "generator/import/import_flex.h"
#include "generator/import/node_rule.h"
#include "generator/import/score_graph.h"
#include "tests/onnx/tensors.h"

#include <gtest/gtest.h>

#include <cmath>

namespace attune {
namespace {

using test::key;
using test::tensor;
using Attributes = std::map<std::string, int64_t>;

OnnxConstant real(double value) {
    return {.type = onnx_type::float32, .reals = {value}};
}
OnnxConstant integer(int64_t value) {
    return {.type = onnx_type::int64, .integers = {value}};
}
OnnxConstant integers(std::vector<int64_t> values) {
    return {.type = onnx_type::int64, .dims = {static_cast<int64_t>(values.size())}, .integers = std::move(values)};
}

/// A graph on `scores` with the result `out`. Its constants: the numbers of the table below.
struct Graph : OnnxGraph {
    Graph() {
        inputs = {"scores"};
        outputs = {"out"};
        constants = {{"zero", integer(0)},           {"one", integer(1)},           {"two", integer(2)},
                     {"three", integer(3)},          {"minus_one", integer(-1)},    {"sixteen", integer(16)},
                     {"cap", real(20)},              {"tenth", real(0.1f)},         {"hidden", real(-HUGE_VAL)},
                     {"lowest", real(-3.4028235e38)}, {"real_zero", real(0)},        {"infinite", real(HUGE_VAL)},
                     {"column", integers({1, 1, -1, 1})}, {"row", integers({1, 1, 1, -1})}, {"flat", integers({-1})},
                     {"several", {.type = onnx_type::float32, .dims = {2}, .reals = {1, 2}}}};
    }
    Graph &add(const std::string &op, std::vector<std::string> in, const std::string &out, Attributes attributes = {}) {
        operations.push_back({.op = op, .inputs = std::move(in), .outputs = {out}, .attributes = std::move(attributes)});
        return *this;
    }
    /// `name`: 0, 1, … along dimension `dim` of the scores.
    Graph &add_index(const std::string &name, const std::string &dim, const std::string &shape) {
        return add("Shape", {"scores"}, name + "_shape")
            .add("Gather", {name + "_shape", dim}, name + "_extent", {{"axis", 0}})
            .add("Range", {"zero", name + "_extent", "one"}, name + "_range")
            .add("Reshape", {name + "_range", shape}, name);
    }
    Graph &add_positions() { return add_index("rows", "two", "column").add_index("keys", "three", "row"); }
};

std::string refusal(const OnnxGraph &graph) {
    try {
        const ScoreRule rule = translate_score_graph(graph);
        return "mask " + rule.mask + ", score " + rule.score;
    } catch (const Refusal &refusal) {
        return refusal.reason;
    }
}

struct Translated {
    const char *name;
    void (*build)(Graph &graph);
    const char *mask, *score;
};
class ScoreGraph : public testing::TestWithParam<Translated> {};
TEST_P(ScoreGraph, IsAMaskAndAScore) {
    Graph graph;
    GetParam().build(graph);
    EXPECT_EQ(refusal(graph), std::string("mask ") + GetParam().mask + ", score " + GetParam().score);
}
INSTANTIATE_TEST_SUITE_P(
    All, ScoreGraph,
    testing::Values(
        Translated{"nothing", [](Graph &g) { g.outputs = {"scores"}; }, "", ""},
        Translated{"bias", [](Graph &g) { g.add("Add", {"scores", "tenth"}, "out"); }, "", "s + 0.1"},
        Translated{"soft_cap",
                   [](Graph &g) { g.add("Div", {"scores", "cap"}, "x").add("Tanh", {"x"}, "y").add("Mul", {"y", "cap"}, "out"); }, "",
                   "softcap(s, 20)"},
        Translated{"other_tanh", [](Graph &g) { g.add("Tanh", {"scores"}, "y").add("Mul", {"y", "cap"}, "out"); }, "", "tanh(s) * 20"},
        Translated{"precedence", [](Graph &g) { g.add("Add", {"scores", "tenth"}, "x").add("Mul", {"x", "cap"}, "out"); }, "",
                   "(s + 0.1) * 20"},
        Translated{"causal",
                   [](Graph &g) {
                       g.add_positions().add("GreaterOrEqual", {"rows", "keys"}, "m").add("Where", {"m", "scores", "hidden"}, "out");
                   },
                   "q >= kv", ""},
        Translated{"hidden_where",
                   [](Graph &g) { g.add_positions().add("Less", {"rows", "keys"}, "m").add("Where", {"m", "lowest", "scores"}, "out"); },
                   "q >= kv", ""},
        Translated{"added_mask",
                   [](Graph &g) {
                       g.add_positions()
                           .add("Equal", {"rows", "keys"}, "m")
                           .add("Where", {"m", "real_zero", "hidden"}, "bias")
                           .add("Add", {"scores", "bias"}, "x")
                           .add("Mul", {"x", "cap"}, "y")
                           .add("Add", {"y", "bias"}, "out");
                   },
                   "q == kv", "(s + select(q == kv, 0, -1e+30)) * 20"},
        Translated{"two_masks",
                   [](Graph &g) {
                       g.add_positions()
                           .add("GreaterOrEqual", {"rows", "keys"}, "m")
                           .add("Where", {"m", "scores", "hidden"}, "x")
                           .add("Sub", {"rows", "keys"}, "d")
                           .add("Greater", {"d", "sixteen"}, "far")
                           .add("Where", {"far", "hidden", "x"}, "out");
                   },
                   "q - kv <= 16 && q >= kv", ""},
        Translated{"mask_before_a_cap",
                   [](Graph &g) {
                       g.add_positions()
                           .add("GreaterOrEqual", {"rows", "keys"}, "m")
                           .add("Where", {"m", "scores", "hidden"}, "x")
                           .add("Tanh", {"x"}, "out");
                   },
                   "", "tanh(select(q >= kv, s, -1e+30))"},
        Translated{"hidden_by_the_score",
                   [](Graph &g) { g.add("Less", {"scores", "tenth"}, "m").add("Where", {"m", "hidden", "scores"}, "out"); }, "",
                   "select(s < 0.1, -1e+30, s)"},
        Translated{"relative",
                   [](Graph &g) {
                       g.add_positions()
                           .add("Sub", {"rows", "keys"}, "d")
                           .add("Cast", {"d"}, "x", {{"to", 1}})
                           .add("Add", {"scores", "x"}, "out");
                   },
                   "", "s + (q - kv)"},
        Translated{"chunks",
                   [](Graph &g) {
                       g.add_positions()
                           .add("Div", {"rows", "sixteen"}, "x")
                           .add("Div", {"keys", "sixteen"}, "y")
                           .add("Equal", {"x", "y"}, "m")
                           .add("Where", {"m", "scores", "hidden"}, "out");
                   },
                   "q / 16 == kv / 16", ""},
        Translated{"division_towards_zero",
                   [](Graph &g) {
                       g.add_positions()
                           .add("Sub", {"rows", "keys"}, "d")
                           .add("Div", {"d", "two"}, "x")
                           .add("Cast", {"x"}, "y", {{"to", 1}})
                           .add("Add", {"scores", "y"}, "out");
                   },
                   "", "s + select(q - kv < 0, -(-(q - kv) / 2), (q - kv) / 2)"},
        Translated{"heads_and_sequences",
                   [](Graph &g) {
                       g.constants["head_column"] = integers({-1, 1, 1});
                       g.constants["batch_column"] = integers({-1, 1, 1, 1});
                       g.add_index("heads", "one", "head_column")
                           .add_index("sequences", "zero", "batch_column")
                           .add("Add", {"heads", "sequences"}, "x")
                           .add("Cast", {"x"}, "y", {{"to", 1}})
                           .add("Mul", {"scores", "y"}, "out");
                   },
                   "", "s * (h + b)"},
        Translated{"unsqueezed",
                   [](Graph &g) {
                       g.add("Shape", {"scores"}, "extent", {{"start", -1}})
                           .add("Squeeze", {"extent", "flat_zero"}, "n")
                           .add("Range", {"zero", "n", "one"}, "keys")
                           .add("Unsqueeze", {"keys", "flat_zero"}, "x")
                           .add("Less", {"x", "sixteen"}, "m")
                           .add("Where", {"m", "scores", "hidden"}, "out");
                       g.constants["flat_zero"] = integers({0});
                   },
                   "kv < 16", ""},
        Translated{"last_key",
                   [](Graph &g) {
                       g.add_positions()
                           .add("Sub", {"keys_extent", "one"}, "last")
                           .add("Equal", {"keys", "last"}, "m")
                           .add("Not", {"m"}, "n")
                           .add("Where", {"n", "scores", "hidden"}, "out");
                   },
                   "!(kv == seq_len_kv - 1)", ""},
        Translated{"twice_negated",
                   [](Graph &g) {
                       g.add_positions()
                           .add("Equal", {"rows", "keys"}, "m")
                           .add("Not", {"m"}, "n")
                           .add("Where", {"n", "hidden", "scores"}, "out");
                   },
                   "q == kv", ""},
        Translated{"booleans_as_numbers",
                   [](Graph &g) {
                       g.add_positions()
                           .add("Less", {"rows", "keys"}, "m")
                           .add("Cast", {"m"}, "x", {{"to", 1}})
                           .add("Sub", {"scores", "x"}, "out");
                   },
                   "", "s - select(q < kv, 1.0, 0.0)"},
        Translated{"square_and_root",
                   [](Graph &g) {
                       g.constants["power"] = real(2);
                       g.add("Pow", {"scores", "power"}, "x").add("Sqrt", {"x"}, "y").add("Max", {"y", "tenth", "cap"}, "out");
                   },
                   "", "max(max(sqrt(s * s), 0.1), 20)"}),
    [](const auto &info) { return info.param.name; });

struct Untranslated {
    const char *name;
    void (*build)(Graph &graph);
    const char *reason;
};
class ScoreGraphRefusals : public testing::TestWithParam<Untranslated> {};
TEST_P(ScoreGraphRefusals, SayWhy) {
    Graph graph;
    GetParam().build(graph);
    EXPECT_NE(refusal(graph).find(GetParam().reason), std::string::npos) << refusal(graph);
}
INSTANTIATE_TEST_SUITE_P(
    All, ScoreGraphRefusals,
    testing::Values(
        Untranslated{"operator", [](Graph &g) { g.add("Softmax", {"scores"}, "out"); }, "the operator Softmax is none of those"},
        Untranslated{"domain", [](Graph &g) { g.add("com.example.Add", {"scores", "cap"}, "out"); }, "the operator com.example.Add"},
        Untranslated{"tensor_of_the_model", [](Graph &g) { g.add("Add", {"scores", "bias"}, "out"); }, "it reads bias, which is neither"},
        Untranslated{"left_out", [](Graph &g) { g.add("Add", {"scores", ""}, "out"); }, "it reads , which is neither"},
        Untranslated{"table", [](Graph &g) { g.add("Add", {"scores", "several"}, "out"); }, "a list of numbers is used as a tensor"},
        Untranslated{"inputs", [](Graph &g) { g.add("Add", {"scores"}, "out"); }, "Add has 1 inputs"},
        Untranslated{"no_inputs", [](Graph &g) { g.add("Max", {}, "out"); }, "Max has 0 inputs"},
        Untranslated{"outputs", [](Graph &g) { g.operations = {{.op = "Exp", .inputs = {"scores"}}}; }, "has 0 outputs"},
        Untranslated{"two_inputs", [](Graph &g) { g.inputs.push_back("more"); }, "it has 2 inputs and 1 outputs"},
        Untranslated{"no_result", [](Graph &) {}, "it reads out, which is neither"},
        Untranslated{"infinity", [](Graph &g) { g.add("Add", {"scores", "infinite"}, "out"); }, "the constant infinite is inf"},
        Untranslated{"boolean_result", [](Graph &g) { g.add("Less", {"scores", "cap"}, "out"); }, "its result is no tensor of scores"},
        Untranslated{"number_as_result", [](Graph &g) { g.outputs = {"cap"}; }, "its result is no tensor of scores"},
        Untranslated{"types", [](Graph &g) { g.add("And", {"scores", "scores"}, "out"); }, "And has an operand that is a real number"},
        Untranslated{"crossed_axes",
                     [](Graph &g) { g.add_index("rows", "two", "row").add("Less", {"rows", "scores"}, "out"); },
                     "a tensor along queries meets one along keys"},
        Untranslated{"range", [](Graph &g) { g.add_positions().add("Range", {"one", "keys_extent", "one"}, "out"); }, "Range counts"},
        Untranslated{"constant_range", [](Graph &g) { g.add("Range", {"zero", "sixteen", "one"}, "out"); }, "Range counts"},
        Untranslated{"number_of_heads",
                     [](Graph &g) { g.add_index("heads", "one", "flat").add("Add", {"heads_extent", "one"}, "out"); },
                     "the number of heads is computed with"},
        Untranslated{"gather", [](Graph &g) { g.add("Shape", {"scores"}, "x").add("Gather", {"x", "sixteen"}, "out"); },
                     "the index of Gather is 16 of 4"},
        Untranslated{"reshape", [](Graph &g) { g.add("Reshape", {"scores", "flat"}, "out"); }, "Reshape does something else"},
        Untranslated{"axis", [](Graph &g) { g.constants["axes"] = integers({9}), g.add("Unsqueeze", {"scores", "axes"}, "out"); },
                     "an axis is 9 of 5"},
        Untranslated{"attribute",
                     [](Graph &g) {
                         g.add("Add", {"scores", "cap"}, "out").operations[0].unread = "how";
                     },
                     "Add has the attribute how"},
        Untranslated{"power", [](Graph &g) { g.add("Pow", {"scores", "tenth"}, "out"); }, "Pow has another exponent"},
        Untranslated{"cast", [](Graph &g) { g.add("Cast", {"scores"}, "out", {{"to", 7}}); }, "Cast to int64 of a real number"},
        Untranslated{"division_by_a_position",
                     [](Graph &g) { g.add_positions().add("Div", {"rows", "keys"}, "out"); }, "Div of integers by something else"},
        Untranslated{"division_by_zero", [](Graph &g) { g.add("Div", {"scores", "real_zero"}, "out"); }, "division by zero"},
        Untranslated{"doubled_again_and_again",
                     [](Graph &g) {
                         std::string last = "scores";
                         for (int i = 0; i < 200; i++, last = "x" + std::to_string(i - 1))
                             g.add("Add", {last, last}, "x" + std::to_string(i));
                     },
                     "longer than 512 operations"}),
    [](const auto &info) { return info.param.name; });

// ---- the node around such a graph
OnnxFlex some_node() {
    OnnxFlex node{.name = "node", .opset = 1};
    node.query = tensor("Q", onnx_type::float16, {2, 8, -1, 16});
    node.key = tensor("K", onnx_type::float16, {2, 2, -1, 16});
    node.value = tensor("V", onnx_type::float16, {2, 2, -1, 24});
    node.output = "Y";
    return node;
}

TEST(ImportFlex, StatesWhatTheNodeFixes) {
    OnnxFlex node = some_node();
    node.scale = 0.5f;
    node.softmax_precision = onnx_type::float16;
    node.score_mod = Graph().add_positions().add("Less", {"rows", "keys"}, "m").add("Where", {"m", "hidden", "scores"}, "x").add(
        "Add", {"x", "cap"}, "out");
    const ImportedFlex imported = import_flex(node);
    EXPECT_EQ(import_toml(imported.kernel, "name", {}), "[kernel]\n"
                                                        "name = \"name\"\n"
                                                        "dtype = \"f16\"\n"
                                                        "head_dim = 16\n"
                                                        "head_dim_v = 24\n"
                                                        "group = 4\n"
                                                        "scale = 0.5\n"
                                                        "score = \"select(q < kv, -1e+30, s) + 20\"\n"
                                                        "outputs = [\"out\"]\n");
    ASSERT_EQ(imported.notes.size(), 1u);
    EXPECT_NE(imported.notes[0].find("softmax_precision is float16"), std::string::npos);
}

struct Refused {
    const char *name;
    void (*change)(OnnxFlex &node);
    const char *reason;
};
class ImportFlexRefusals : public testing::TestWithParam<Refused> {};
TEST_P(ImportFlexRefusals, SayWhy) {
    OnnxFlex node = some_node();
    GetParam().change(node);
    EXPECT_NE(import_flex(node).refusal.find(GetParam().reason), std::string::npos) << import_flex(node).refusal;
}
INSTANTIATE_TEST_SUITE_P(
    All, ImportFlexRefusals,
    testing::Values(Refused{"rank", [](OnnxFlex &n) { n.query.shape->pop_back(); }, "Q has rank 3, expected 4"},
                    Refused{"double_precision", [](OnnxFlex &n) { n.query.type = onnx_type::float64; }, "Q is double"},
                    Refused{"types", [](OnnxFlex &n) { n.key.type = onnx_type::float32; }, "K is float and Q is float16"},
                    Refused{"head_size", [](OnnxFlex &n) { n.value.shape->at(3) = {}; }, "head_size of V is not a number"},
                    Refused{"scale", [](OnnxFlex &n) { n.scale = 0; }, "scale is 0, expected a positive number"},
                    Refused{"precision", [](OnnxFlex &n) { n.softmax_precision = 7; }, "softmax_precision is 7"},
                    Refused{"prob_mod", [](OnnxFlex &n) { n.prob_mod = Graph().add("Mul", {"scores", "tenth"}, "out"); },
                            "prob_mod changes weights after the softmax"},
                    Refused{"score_mod", [](OnnxFlex &n) { n.score_mod = Graph().add("Erf", {"scores"}, "out"); },
                            "score_mod: the operator Erf"},
                    Refused{"problem_of_the_node", [](OnnxFlex &n) { n.problem = "no"; }, "no"}),
    [](const auto &info) { return info.param.name; });

}  // namespace
}  // namespace attune

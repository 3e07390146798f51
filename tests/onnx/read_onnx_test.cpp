// Model files, written here byte by byte: what is found in them, and that no file, however broken, does worse than an Error.
#include "generator/import/import_flex.h"
#include "generator/import/import_linear.h"
#include "generator/import/read_onnx.h"
#include "generator/spec/error.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>

namespace attune {
namespace {

/// A protobuf message: https://protobuf.dev/programming-guides/encoding. Field numbers are those of onnx/onnx.proto.
struct Message {
    std::string bytes;

    Message &varint(uint64_t value) {
        for (; value >= 128; value >>= 7)
            bytes += static_cast<char>(value | 128);
        bytes += static_cast<char>(value);
        return *this;
    }
    Message &integer(int field, int64_t value) { return varint(static_cast<uint64_t>(field) << 3).varint(static_cast<uint64_t>(value)); }
    Message &text(int field, const std::string &value) {
        varint(static_cast<uint64_t>(field) << 3 | 2).varint(value.size());
        bytes += value;
        return *this;
    }
    Message &message(int field, const Message &value) { return text(field, value.bytes); }
    Message &real(int field, float value) {
        varint(static_cast<uint64_t>(field) << 3 | 5);
        char raw[4];
        std::memcpy(raw, &value, 4);  // protobuf and x86 are both little-endian
        bytes.append(raw, 4);
        return *this;
    }
};

Message attribute_int(const std::string &name, int64_t value) {
    return Message().text(1, name).integer(3, value).integer(20, 2);
}
Message attribute_float(const std::string &name, float value) {
    return Message().text(1, name).real(2, value).integer(20, 1);
}

/// Extents below 0 are symbols.
Message value_info(const std::string &name, int type, const std::vector<int64_t> &shape) {
    Message dims;
    for (const int64_t size : shape)
        dims.message(1, size < 0 ? Message().text(2, "n" + std::to_string(-size)) : Message().integer(1, size));
    return Message().text(1, name).message(2, Message().message(1, Message().integer(1, type).message(2, dims)));
}

Message attention_node() {
    Message node;
    for (const char *input : {"Q", "K", "V", "", "", "", "lengths"})
        node.text(1, input);
    return node.text(2, "Y")
        .text(3, "layer 0")
        .text(4, "Attention")
        .message(5, attribute_int("is_causal", 1))
        .message(5, attribute_float("scale", 0.5f));
}

Message linear_node() {
    Message node;
    for (const char *input : {"query", "key", "value", "past"})
        node.text(1, input);
    return node.text(2, "output")
        .text(2, "state")
        .text(4, "LinearAttention")
        .message(5, attribute_int("q_num_heads", 2))
        .message(5, attribute_int("kv_num_heads", 1))
        .message(5, Message().text(1, "update_rule").text(4, "linear").integer(20, 3));
}

Message operation(const std::string &op, const std::vector<std::string> &inputs, const std::string &output) {
    Message node;
    for (const std::string &input : inputs)
        node.text(1, input);
    return node.text(2, output).text(4, op);
}
/// value in raw_data.
Message real_tensor(const std::string &name, float value) {
    std::string raw(4, 0);
    std::memcpy(raw.data(), &value, 4);
    return Message().integer(2, 1).text(8, name).text(9, raw);
}

/// score_mod: half * tanh(scores + shift) + one, of an initializer of the graph, one of the model, and a Constant node.
Message flex_node() {
    const Message constant = Message().text(2, "one").text(4, "Constant").message(5, attribute_float("value_float", 1));
    const Message mod = Message()
                            .message(1, constant)
                            .message(1, operation("Add", {"scores", "shift"}, "x"))
                            .message(1, operation("Tanh", {"x"}, "y"))
                            .message(1, operation("Mul", {"y", "half"}, "z"))
                            .message(1, operation("Add", {"z", "one"}, "out"))
                            .message(5, real_tensor("half", 0.5f))
                            .message(11, value_info("scores", 1, {2, 8, -1, -1}))
                            .message(12, value_info("out", 1, {2, 8, -1, -1}));
    return operation("FlexAttention", {"Q", "K", "V"}, "Y")
        .text(7, "ai.onnx.preview")
        .message(5, attribute_float("scale", 0.5f))
        .message(5, Message().text(1, "score_mod").message(6, mod).integer(20, 5));
}

Message graph_of(const Message &node) {
    Message graph;
    graph.message(1, node)
        .text(2, "graph")
        .message(5, Message().integer(1, 2).integer(2, 7).text(8, "lengths").text(9, "0123456701234567"));
    graph.message(11, value_info("Q", 1, {2, 8, -1, 16})).message(11, value_info("K", 1, {2, 2, -1, 16}));
    return graph.message(12, value_info("Y", 1, {2, 8, -1, 16})).message(13, value_info("V", 1, {2, 2, -1, 16}));
}

Message model_of(const Message &graph, int64_t opset = 24) {
    return Message().integer(1, 10).text(2, "producer").message(7, graph).message(8, Message().text(1, "").integer(2, opset));
}

/// A node of each operator.
Message whole_model() {
    Message graph = graph_of(attention_node());
    graph.message(1, flex_node()).message(1, linear_node()).message(5, real_tensor("shift", 3));
    graph.message(11, value_info("query", 1, {2, -1, 32})).message(11, value_info("key", 1, {2, -1, 16}));
    graph.message(11, value_info("value", 1, {2, -1, 16})).message(11, value_info("past", 1, {2, 1, 16, 16}));
    // The graph last, so that a file that is cut anywhere lacks something.
    return Message()
        .message(8, Message().text(1, "ai.onnx.preview").integer(2, 1))
        .message(8, Message().text(1, "").integer(2, 27))
        .message(7, graph);
}

class ReadOnnx : public testing::Test {
protected:
    std::vector<OnnxNode> read(const std::string &bytes) {
        std::ofstream(path(), std::ios::binary) << bytes;
        return read_onnx(path()).nodes;
    }
    std::string path() const { return (folder_.path / "model.onnx").string(); }
    /// The message of the error that reading throws.
    std::string refusal(const std::string &bytes) {
        try {
            read(bytes);
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input);
            return error.what();
        }
        return "accepted";
    }

private:
    test::TemporaryFolder folder_;
};

TEST_F(ReadOnnx, FindsNodeTypesAndAttributes) {
    const auto nodes = read(model_of(graph_of(attention_node())).bytes);
    ASSERT_EQ(nodes.size(), 1u);
    const auto &node = std::get<OnnxAttention>(nodes[0]);
    EXPECT_EQ(node.problem, "");
    EXPECT_EQ(node.name, "layer 0");
    EXPECT_EQ(node.opset, 24);
    EXPECT_TRUE(node.is_causal);
    EXPECT_EQ(node.scale, 0.5f);
    EXPECT_EQ(node.output, "Y");
    EXPECT_FALSE(node.attn_mask);
    ASSERT_TRUE(node.query.shape && node.value.shape && node.nonpad_kv_seqlen.shape);
    EXPECT_EQ(node.query.shape->at(1).size, 8);
    EXPECT_TRUE(node.query.shape->at(2).same(node.value.shape->at(2)));  // the same symbol
    EXPECT_FALSE(node.query.shape->at(2).is_number());
    EXPECT_EQ(node.nonpad_kv_seqlen.type, 7);  // a constant of the model
    EXPECT_EQ(node.nonpad_kv_seqlen.shape->at(0).size, 2);
}

TEST_F(ReadOnnx, LooksIntoBranches) {
    const Message branch = Message().text(1, "then_branch").message(6, Message().message(1, attention_node())).integer(20, 5);
    Message graph = graph_of(Message().text(4, "If").message(5, branch));
    const auto nodes = read(model_of(graph).bytes);
    ASSERT_EQ(nodes.size(), 1u);
    EXPECT_EQ(std::get<OnnxAttention>(nodes[0]).query.shape->at(3).size, 16);  // stated by the graph around it
}

TEST_F(ReadOnnx, TellsWhatANodeHasThatItCannotRead) {
    const auto problem = [&](const Message &node, int64_t opset = 24) {
        return std::visit([](const auto &one) { return one.problem; }, read(model_of(graph_of(node), opset).bytes).at(0));
    };
    EXPECT_EQ(problem(attention_node().text(7, "com.microsoft")),
              "its operator is com.microsoft.Attention, and only Attention and LinearAttention of ai.onnx and FlexAttention of ai.onnx.preview are understood");
    EXPECT_EQ(problem(Message().text(4, "FlexAttention")),
              "its operator is ai.onnx.FlexAttention, and only Attention and LinearAttention of ai.onnx and FlexAttention of ai.onnx.preview are understood");
    EXPECT_EQ(problem(attention_node(), 22), "the model uses opset 22, and Attention is known from 23 to 28");
    EXPECT_EQ(problem(attention_node().message(5, attribute_int("left_window_size", 3))),
              "attribute left_window_size is unknown to Attention of opset 24");
    EXPECT_EQ(problem(attention_node().message(5, attribute_int("left_window_size", 3)), 25), "");
    EXPECT_EQ(problem(attention_node().message(5, attribute_int("softcap", 3))), "attribute softcap has not the type FLOAT");
}

TEST_F(ReadOnnx, FindsEveryOperator) {
    const auto nodes = read(whole_model().bytes);
    ASSERT_EQ(nodes.size(), 3u);
    EXPECT_EQ(std::get<OnnxAttention>(nodes[0]).problem, "");
    const auto &linear = std::get<OnnxLinear>(nodes[2]);
    EXPECT_EQ(linear.problem, "");
    EXPECT_EQ(linear.update_rule, "linear");
    EXPECT_EQ(linear.past_state.name, "past");
    EXPECT_FALSE(linear.decay);
    EXPECT_EQ(linear.output + " " + linear.present_state, "output state");
    EXPECT_EQ(import_linear(linear).refusal, "");
}

TEST_F(ReadOnnx, ReadsGraphsAndTheirConstants) {
    const auto node = std::get<OnnxFlex>(read(whole_model().bytes).at(1));
    EXPECT_EQ(node.problem, "");
    EXPECT_EQ(node.scale, 0.5f);
    ASSERT_TRUE(node.score_mod);
    EXPECT_FALSE(node.prob_mod);
    EXPECT_EQ(node.score_mod->operations.size(), 4u);
    const ImportedFlex imported = import_flex(node);
    EXPECT_EQ(imported.refusal, "");
    EXPECT_NE(imported.kernel.keys.find("score = \"tanh(s + 3) * 0.5 + 1\""), std::string::npos) << imported.kernel.keys;
}

struct Tensor {
    const char *name;
    Message message;
    const char *read;  ///< "" where it is no constant of a few elements
};
class ReadOnnxConstants : public ReadOnnx, public testing::WithParamInterface<Tensor> {};
TEST_P(ReadOnnxConstants, AreReadWhereTheyAreSmallAndWhole) {
    Message graph = graph_of(flex_node());
    graph.message(5, Message(GetParam().message).text(8, "shift"));
    const auto node = std::get<OnnxFlex>(read(model_of(graph).message(8, Message().text(1, "ai.onnx.preview").integer(2, 1)).bytes).at(0));
    ASSERT_TRUE(node.score_mod);
    std::string found;
    if (const auto constant = node.score_mod->constants.find("shift"); constant != node.score_mod->constants.end()) {
        for (const double x : constant->second.reals)
            found += std::to_string(x).substr(0, 4) + " ";
        for (const int64_t x : constant->second.integers)
            found += std::to_string(x) + " ";
    }
    EXPECT_EQ(found, GetParam().read);
}
Message typed(int type, std::vector<int64_t> dims) {
    Message message;
    for (const int64_t size : dims)
        message.integer(1, size);
    return message.integer(2, type);
}
INSTANTIATE_TEST_SUITE_P(
    All, ReadOnnxConstants,
    testing::Values(
        Tensor{"int64", typed(7, {2}).integer(7, 5).integer(7, -6), "5 -6 "}, Tensor{"int32", typed(6, {}).integer(5, 7), "7 "},
        Tensor{"boolean", typed(9, {1}).integer(5, 1), "1 "}, Tensor{"float16", typed(10, {}).integer(5, 0x3e00), "1.50 "},
        Tensor{"bfloat16_raw", typed(16, {}).text(9, std::string("\x20\xc0", 2)), "-2.5 "},
        Tensor{"real", typed(1, {1, 1}).real(4, 0.25f), "0.25 "},
        Tensor{"float64_raw", typed(11, {}).text(9, std::string("\0\0\0\0\0\0\xf8\x3f", 8)), "1.50 "},
        Tensor{"short_raw", typed(1, {2}).text(9, "1234"), ""}, Tensor{"long_raw", typed(7, {}).text(9, std::string(16, 1)), ""},
        Tensor{"no_elements", typed(1, {2}), ""}, Tensor{"empty", typed(1, {0}), ""}, Tensor{"negative", typed(1, {-1}).real(4, 1), ""},
        Tensor{"weight", typed(1, {1 << 30, 1 << 30, 1 << 30}).text(9, "1234"), ""},
        Tensor{"many_dims", typed(1, std::vector<int64_t>(70, 16)).text(9, "1234"), ""},
        Tensor{"beside_the_model", typed(1, {}).real(4, 1).integer(14, 1), ""}, Tensor{"text", typed(8, {}).text(6, "a"), ""}),
    [](const auto &info) { return info.param.name; });

TEST_F(ReadOnnx, RefusesWhatIsNoModel) {
    EXPECT_NE(refusal("").find("the file holds no graph"), std::string::npos);
    EXPECT_NE(refusal("[kernel]\nname = \"no_model\"\n").find("not an ONNX model, or it is cut off"), std::string::npos);
    EXPECT_NE(refusal(Message().message(7, graph_of(attention_node())).bytes).find("which operator set"), std::string::npos);
    EXPECT_NE(refusal(model_of(graph_of(Message().text(4, "MatMul"))).bytes).find("no Attention node"), std::string::npos);
    try {
        read_onnx("/nonexistent/model.onnx");
        FAIL() << "accepted";
    } catch (const Error &error) {
        EXPECT_NE(std::string(error.what()).find("no such file or directory"), std::string::npos);
    }
}

TEST_F(ReadOnnx, RefusesEveryCutFile) {
    const std::string whole = whole_model().bytes;
    for (size_t size = 0; size < whole.size(); size++)
        EXPECT_NE(refusal(whole.substr(0, size)), "accepted") << size << " of " << whole.size() << " bytes";
}

/// Changed bytes: nodes that are imported or refused, or an error; sanitizers would see anything worse.
TEST_F(ReadOnnx, SurvivesChangedBytes) {
    const std::string whole = whole_model().bytes;
    std::mt19937 random(1);
    int accepted = 0;
    for (int i = 0; i < 3000; i++) {
        std::string bytes = whole;
        for (unsigned n = 1 + random() % 3; n > 0; n--)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        if (refusal(bytes) != "accepted")
            continue;
        accepted++;
        for (const OnnxNode &node : read(bytes)) {
            if (const auto *linear = std::get_if<OnnxLinear>(&node))
                import_linear(*linear);
            if (const auto *flex = std::get_if<OnnxFlex>(&node))
                import_flex(*flex);
        }
    }
    EXPECT_GT(accepted, 100);  // else the changes were too wild to say anything
}

TEST_F(ReadOnnx, RefusesEndlessNesting) {
    Message graph = graph_of(attention_node());
    for (int level = 0; level < 300; level++)
        graph = Message().message(1, Message().text(4, "If").message(5, Message().message(6, graph)));
    EXPECT_NE(refusal(model_of(graph).bytes).find("not an ONNX model"), std::string::npos);
}

}  // namespace
}  // namespace attune

#include "generator/import/read_node.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune {
namespace {

namespace onnx = onnx_subset;

constexpr int64_t last_opset = 28;  // the newest of onnx 1.23, where all operators here are as their newest versions have them

/// An attribute of an operator, and where its value goes.
struct Field {
    const char *name;
    std::variant<bool *, int64_t *, std::optional<int64_t> *, float *, std::optional<float> *, std::string *, std::optional<OnnxGraph> *>
        place;
    int64_t since = 0;  ///< the opset that brought it
};

/// Puts an attribute's value there.
struct Store {
    const onnx::AttributeProto &attribute;
    const Surroundings &around;

    void operator()(bool *place) const { *place = attribute.i() != 0; }
    void operator()(int64_t *place) const { *place = attribute.i(); }
    void operator()(std::optional<int64_t> *place) const { *place = attribute.i(); }
    void operator()(float *place) const { *place = attribute.f(); }
    void operator()(std::optional<float> *place) const { *place = attribute.f(); }
    void operator()(std::string *place) const { *place = attribute.s(); }
    void operator()(std::optional<OnnxGraph> *place) const { *place = read_graph(attribute.g(), around.constants); }
};

struct AttributeType {
    int number;  ///< AttributeProto.AttributeType
    const char *name;
};
AttributeType type_of(const Field &field) {
    const bool real = std::holds_alternative<float *>(field.place) || std::holds_alternative<std::optional<float> *>(field.place);
    if (std::holds_alternative<std::string *>(field.place))
        return {3, "STRING"};
    if (std::holds_alternative<std::optional<OnnxGraph> *>(field.place))
        return {5, "GRAPH"};
    return real ? AttributeType{1, "FLOAT"} : AttributeType{2, "INT"};
}

/// Fills the fields; what is wrong with an attribute, or "".
std::string read_attributes(const onnx::NodeProto &node, int64_t opset, const Surroundings &around, const std::vector<Field> &fields) {
    for (const auto &attribute : node.attribute()) {
        const auto field = std::find_if(fields.begin(), fields.end(), [&](const Field &one) { return one.name == attribute.name(); });
        if (field == fields.end() || field->since > opset)
            return fmt::format("attribute {} is unknown to {} of opset {}", attribute.name(), node.op_type(), opset);
        if (const AttributeType type = type_of(*field); attribute.type() != type.number)
            return fmt::format("attribute {} has not the type {}", attribute.name(), type.name);
        std::visit(Store{attribute, around}, field->place);
    }
    return "";
}

void read_inputs(const onnx::NodeProto &node, const Surroundings &around, const std::vector<OnnxTensor *> &inputs) {
    for (size_t i = 0; i < inputs.size() && i < static_cast<size_t>(node.input_size()); i++) {
        const std::string &name = node.input(static_cast<int>(i));
        const auto found = around.tensors.find(name);
        *inputs[i] = found != around.tensors.end() ? found->second : OnnxTensor{.name = name};
    }
}

void read_outputs(const onnx::NodeProto &node, const std::vector<std::string *> &outputs) {
    for (size_t i = 0; i < outputs.size() && i < static_cast<size_t>(node.output_size()); i++)
        *outputs[i] = node.output(static_cast<int>(i));
}

/// The version of a domain that the model uses, where the operator is known to it; else `problem` says so.
int64_t opset_of(const onnx::NodeProto &node, const Surroundings &around, int64_t first, int64_t last, std::string &problem) {
    const auto found = around.opsets.find(domain_of(node.domain()));
    const int64_t opset = found == around.opsets.end() ? 0 : found->second;
    if (opset < first || opset > last)
        problem = fmt::format("the model uses opset {}, and {} is known from {} to {}", opset, node.op_type(), first, last);
    return opset;
}

OnnxAttention read_attention(const onnx::NodeProto &proto, const Surroundings &around, const std::string &name) {
    OnnxAttention node{.name = name};
    node.opset = opset_of(proto, around, 23, last_opset, node.problem);
    if (!node.problem.empty())
        return node;
    read_inputs(proto, around,
                {&node.query, &node.key, &node.value, &node.attn_mask, &node.past_key, &node.past_value, &node.nonpad_kv_seqlen});
    read_outputs(proto, {&node.output, &node.present_key, &node.present_value, &node.qk_matmul_output});
    node.problem = read_attributes(proto, node.opset, around,
                                   {{"is_causal", &node.is_causal},
                                    {"q_num_heads", &node.q_num_heads},
                                    {"kv_num_heads", &node.kv_num_heads},
                                    {"scale", &node.scale},
                                    {"softcap", &node.softcap},
                                    {"qk_matmul_output_mode", &node.qk_matmul_output_mode},
                                    {"softmax_precision", &node.softmax_precision},
                                    {"left_window_size", &node.left_window_size, 25},
                                    {"right_window_size", &node.right_window_size, 25}});
    return node;
}

OnnxLinear read_linear(const onnx::NodeProto &proto, const Surroundings &around, const std::string &name) {
    OnnxLinear node{.name = name};
    node.opset = opset_of(proto, around, 27, last_opset, node.problem);
    if (!node.problem.empty())
        return node;
    read_inputs(proto, around, {&node.query, &node.key, &node.value, &node.past_state, &node.decay, &node.beta});
    read_outputs(proto, {&node.output, &node.present_state});
    node.problem = read_attributes(proto, node.opset, around,
                                   {{"q_num_heads", &node.q_num_heads},
                                    {"kv_num_heads", &node.kv_num_heads},
                                    {"scale", &node.scale},
                                    {"update_rule", &node.update_rule},
                                    {"chunk_size", &node.chunk_size}});
    return node;
}

OnnxFlex read_flex(const onnx::NodeProto &proto, const Surroundings &around, const std::string &name) {
    OnnxFlex node{.name = name};
    node.opset = opset_of(proto, around, 1, 1, node.problem);
    if (!node.problem.empty())
        return node;
    read_inputs(proto, around, {&node.query, &node.key, &node.value});
    read_outputs(proto, {&node.output});
    node.problem = read_attributes(proto, node.opset, around,
                                   {{"scale", &node.scale},
                                    {"softmax_precision", &node.softmax_precision},
                                    {"score_mod", &node.score_mod},
                                    {"prob_mod", &node.prob_mod}});
    return node;
}

}  // namespace

std::string domain_of(const std::string &written) {
    return written == "ai.onnx" ? "" : written;
}

bool looks_like_attention(const onnx::NodeProto &node) {
    return node.op_type().find("Attention") != std::string::npos;
}

OnnxNode read_node(const onnx::NodeProto &node, const Surroundings &around, const std::string &name) {
    const std::string domain = domain_of(node.domain());
    if (domain.empty() && node.op_type() == "Attention")
        return read_attention(node, around, name);
    if (domain.empty() && node.op_type() == "LinearAttention")
        return read_linear(node, around, name);
    if (domain == "ai.onnx.preview" && node.op_type() == "FlexAttention")
        return read_flex(node, around, name);
    return OnnxUnknown{
        .name = name,
        .problem = fmt::format(
            "its operator is {}.{}, and only Attention and LinearAttention of ai.onnx and FlexAttention of ai.onnx.preview are understood",
            domain.empty() ? "ai.onnx" : domain, node.op_type())};
}

}  // namespace attune

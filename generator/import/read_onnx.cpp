#include "generator/import/onnx_attention.h"
#include "generator/spec/error.h"

#include "onnx_subset.pb.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <memory>
#include <set>
#include <unistd.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace attune {
namespace {

namespace onnx = onnx_subset;

constexpr int64_t first_opset = 23,
                  last_opset = 28;           // Attention came with 23; 28 is the newest of onnx 1.23, where its version 25 still holds
constexpr int type_float = 1, type_int = 2;  // AttributeProto.AttributeType

[[noreturn]] void refuse(const std::string &path, const std::string &problem, const std::string &expected, const std::string &cure) {
    throw Error({.code = ErrorCode::input,
                 .argument = "MODEL",
                 .value = path,
                 .expected = expected,
                 .cure = cure,
                 .file = path,
                 .problem = problem});
}

/// Bytes of a file for protobuf; remembers whether reading failed.
class FileInput : public google::protobuf::io::CopyingInputStream {
public:
    explicit FileInput(int descriptor) : descriptor_(descriptor) {}
    ~FileInput() override { close(descriptor_); }
    int Read(void *buffer, int size) override {
        ssize_t n;
        do
            n = read(descriptor_, buffer, static_cast<size_t>(size));
        while (n < 0 && errno == EINTR);
        if (n < 0)
            error = errno;
        return static_cast<int>(n);
    }
    int error = 0;

private:
    int descriptor_;
};

onnx::ModelProto parse_model(const std::string &path) {
    const int descriptor = path.find('\0') == std::string::npos ? open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0)
        refuse(path, "the model cannot be read: " + errno_text(errno), "an ONNX model", "check the path and its permissions");
    FileInput file(descriptor);
    onnx::ModelProto model;
    bool parsed;
    {
        google::protobuf::io::CopyingInputStreamAdaptor stream(&file);
        google::protobuf::io::CodedInputStream coded(&stream);
        parsed = model.ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
    }
    if (file.error)
        refuse(path, "the model cannot be read: " + errno_text(file.error), "an ONNX model", "check the path and its permissions");
    if (!parsed)
        refuse(path, "the file is not an ONNX model, or it is cut off", "a ModelProto as onnx.save writes it",
               "check it with onnx.checker.check_model");
    if (!model.has_graph() || model.opset_import_size() == 0)
        refuse(path, model.has_graph() ? "the model does not say which operator set it uses" : "the file holds no graph",
               "a ModelProto with graph and opset_import, as onnx.save writes it", "check it with onnx.checker.check_model");
    return model;
}

bool is_default_domain(const std::string &domain) {
    return domain.empty() || domain == "ai.onnx";
}

OnnxTensor described(const onnx::ValueInfoProto &value) {
    OnnxTensor tensor{.name = value.name()};
    tensor.type = value.type().tensor_type().elem_type();
    if (value.type().tensor_type().has_shape()) {
        tensor.shape.emplace();
        for (const auto &dim : value.type().tensor_type().shape().dim())
            tensor.shape->push_back({dim.has_dim_value() ? std::max<int64_t>(dim.dim_value(), -1) : -1, dim.dim_param()});
    }
    return tensor;
}

OnnxTensor described(const onnx::TensorProto &constant) {
    OnnxTensor tensor{.name = constant.name(), .type = constant.data_type()};
    tensor.shape.emplace();
    for (const int64_t size : constant.dims())
        tensor.shape->push_back({size, ""});
    return tensor;
}

using Tensors = std::map<std::string, OnnxTensor>;

/// The attribute's value if it has the type that ONNX gives it; else `problem` says so.
void read_attribute(const onnx::AttributeProto &attribute, OnnxAttention &node) {
    const std::string &name = attribute.name();
    const std::map<std::string, std::optional<int64_t> *> heads = {{"q_num_heads", &node.q_num_heads},
                                                                   {"kv_num_heads", &node.kv_num_heads}};
    const std::map<std::string, int64_t *> integers = {{"qk_matmul_output_mode", &node.qk_matmul_output_mode},
                                                       {"left_window_size", &node.left_window_size},
                                                       {"right_window_size", &node.right_window_size},
                                                       {"softmax_precision", &node.softmax_precision}};
    const bool is_real = name == "scale" || name == "softcap";
    const bool is_integer = name == "is_causal" || heads.contains(name) || integers.contains(name);
    const bool is_new = name == "left_window_size" || name == "right_window_size";  // of version 25
    if ((!is_real && !is_integer) || (is_new && node.opset < 25)) {
        node.problem = fmt::format("attribute {} is unknown to Attention of opset {}", name, node.opset);
        return;
    }
    if (attribute.type() != (is_real ? type_float : type_int)) {
        node.problem = fmt::format("attribute {} has not the type {}", name, is_real ? "FLOAT" : "INT");
        return;
    }
    if (name == "scale")
        node.scale = attribute.f();
    if (name == "softcap")
        node.softcap = attribute.f();
    if (name == "is_causal")
        node.is_causal = attribute.i() != 0;
    if (const auto found = heads.find(name); found != heads.end())
        *found->second = attribute.i();
    if (const auto found = integers.find(name); found != integers.end())
        *found->second = attribute.i();
}

OnnxAttention read_node(const onnx::NodeProto &proto, int64_t opset, const Tensors &tensors, size_t index) {
    OnnxAttention node;
    node.opset = opset;
    node.name = !proto.name().empty() ? proto.name() : fmt::format("{} {}", proto.op_type(), index);
    if (!is_default_domain(proto.domain()) || proto.op_type() != "Attention") {
        node.problem = fmt::format("its operator is {}.{}, and only ai.onnx.Attention is understood",
                                   is_default_domain(proto.domain()) ? "ai.onnx" : proto.domain(), proto.op_type());
        return node;
    }
    if (opset < first_opset || opset > last_opset) {
        node.problem = fmt::format("the model uses opset {}, and Attention is known from {} to {}", opset, first_opset, last_opset);
        return node;
    }
    OnnxTensor *const inputs[] = {&node.query,    &node.key,        &node.value,           &node.attn_mask,
                                  &node.past_key, &node.past_value, &node.nonpad_kv_seqlen};
    for (int i = 0; i < proto.input_size() && i < static_cast<int>(std::size(inputs)); i++) {
        const auto found = tensors.find(proto.input(i));
        *inputs[i] = found != tensors.end() ? found->second : OnnxTensor{.name = proto.input(i)};
    }
    std::string *const outputs[] = {&node.output, &node.present_key, &node.present_value, &node.qk_matmul_output};
    for (int i = 0; i < proto.output_size() && i < static_cast<int>(std::size(outputs)); i++)
        *outputs[i] = proto.output(i);
    for (const auto &attribute : proto.attribute())
        if (node.problem.empty())
            read_attribute(attribute, node);
    return node;
}

bool looks_like_attention(const onnx::NodeProto &node) {
    return node.op_type().find("Attention") != std::string::npos;
}

/// Walks a graph and the graphs inside its nodes; `tensors` holds what the graphs around it know.
void walk(const onnx::GraphProto &graph, int64_t opset, Tensors tensors, std::vector<OnnxAttention> &found) {
    for (const auto *values : {&graph.input(), &graph.output(), &graph.value_info()})
        for (const auto &value : *values)
            tensors[value.name()] = described(value);
    for (const auto &constant : graph.initializer())
        tensors[constant.name()] = described(constant);
    for (const auto &node : graph.node()) {
        if (looks_like_attention(node))
            found.push_back(read_node(node, opset, tensors, found.size() + 1));
        for (const auto &attribute : node.attribute()) {
            if (attribute.has_g())
                walk(attribute.g(), opset, tensors, found);
            for (const auto &inner : attribute.graphs())
                walk(inner, opset, tensors, found);
        }
    }
}

}  // namespace

std::vector<OnnxAttention> read_onnx_attention(const std::string &path) {
    const onnx::ModelProto model = parse_model(path);
    int64_t opset = 0;
    for (const auto &set : model.opset_import())
        if (is_default_domain(set.domain()))
            opset = set.version();

    std::vector<OnnxAttention> found;
    walk(model.graph(), opset, {}, found);
    for (const auto &function : model.functions())
        for (const auto &node : function.node())
            if (looks_like_attention(node)) {
                found.push_back({.name = node.name().empty() ? fmt::format("{} {}", node.op_type(), found.size() + 1) : node.name()});
                found.back().problem =
                    "it is in the model's function " + function.name() + ", whose types are unknown: inline it first (onnx.inliner)";
            }
    if (found.empty())
        refuse(
            path, "the model has no Attention node", "a model with ai.onnx Attention nodes (opset 23 or newer)",
            "models that spell attention out as MatMul and Softmax need an exporter that keeps it, such as torch.onnx.export of opset 23");
    return found;
}

std::string onnx_type_name(int type) {
    static const char *const names[] = {"unknown", "float",   "uint8",  "int8",   "uint16", "int16",     "int32",      "int64",   "string",
                                        "bool",    "float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16"};
    return type >= 0 && type < static_cast<int>(std::size(names)) ? names[type] : fmt::format("type {}", type);
}

}  // namespace attune

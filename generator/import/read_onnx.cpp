#include "generator/import/read_onnx.h"
#include "generator/import/read_node.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace attune {
namespace {

namespace onnx = onnx_subset;

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

std::string name_of(const onnx::NodeProto &node, size_t nodes_before) {
    return !node.name().empty() ? node.name() : fmt::format("{} {}", node.op_type(), nodes_before + 1);
}

/// Walks a graph and the graphs inside its nodes; `around` holds what the graphs around it know.
void walk(const onnx::GraphProto &graph, Surroundings around, std::vector<OnnxNode> &found) {
    for (const auto *values : {&graph.input(), &graph.output(), &graph.value_info()})
        for (const auto &value : *values)
            around.tensors[value.name()] = described(value);
    for (const auto &constant : graph.initializer())
        around.tensors[constant.name()] = described(constant);
    add_constants(graph, around.constants);
    for (const auto &node : graph.node()) {
        if (looks_like_attention(node))
            found.push_back(read_node(node, around, name_of(node, found.size())));
        for (const auto &attribute : node.attribute()) {
            if (attribute.has_g())
                walk(attribute.g(), around, found);
            for (const auto &inner : attribute.graphs())
                walk(inner, around, found);
        }
    }
}

}  // namespace

OnnxModel read_onnx(const std::string &path) {
    const onnx::ModelProto model = parse_model(path);
    Surroundings around;
    for (const auto &set : model.opset_import())
        around.opsets[domain_of(set.domain())] = set.version();

    std::vector<OnnxNode> found;
    walk(model.graph(), around, found);
    for (const auto &function : model.functions())
        for (const auto &node : function.node())
            if (looks_like_attention(node))
                found.push_back(OnnxUnknown{.name = name_of(node, found.size()),
                                            .problem = "it is in the model's function " + function.name() +
                                                       ", whose types are unknown: inline it first (onnx.inliner)"});
    if (found.empty())
        refuse(
            path, "the model has no Attention node",
            "a model with nodes Attention (ai.onnx, opset 23 or newer), LinearAttention (27) or FlexAttention (ai.onnx.preview)",
            "models that spell attention out as MatMul and Softmax need an exporter that keeps it, such as torch.onnx.export of opset 23");
    return {around.opsets[""], std::move(found)};
}

}  // namespace attune

#include "generator/import/read_graph.h"
#include "generator/reference/half.h"

#include <cstring>
#include <optional>

namespace attune {
namespace {

namespace onnx = onnx_subset;

constexpr int64_t most_elements = 16;  // numbers, and shapes of any rank here; what is larger is a weight

/// 0: too many, or no number of elements.
int64_t count_elements(const onnx::TensorProto &tensor) {
    if (tensor.dims_size() > 8)  // so that 16^8 is the largest product below
        return 0;
    int64_t count = 1;
    for (const int64_t size : tensor.dims())
        count = size >= 1 && size <= most_elements ? count * size : 0;
    return count <= most_elements ? count : 0;
}

/// The elements of raw_data; empty where it has another size. Both are little-endian.
template <class T>
std::vector<T> raw_elements(const onnx::TensorProto &tensor, int64_t count) {
    std::vector<T> out(static_cast<size_t>(count));
    if (tensor.raw_data().size() != out.size() * sizeof(T))
        return {};
    std::memcpy(out.data(), tensor.raw_data().data(), tensor.raw_data().size());
    return out;
}

/// From raw_data, or from the list that ONNX has for the type.
template <class T, class List>
std::vector<T> elements(const onnx::TensorProto &tensor, int64_t count, const List &list) {
    if (tensor.has_raw_data())
        return raw_elements<T>(tensor, count);
    if (list.size() != count)
        return {};
    std::vector<T> out;
    for (const auto x : list)
        out.push_back(static_cast<T>(x));
    return out;
}

std::optional<OnnxConstant> constant_of(const onnx::TensorProto &tensor) {
    const int64_t count = count_elements(tensor);
    if (count == 0 || tensor.data_location() != 0)  // 1: in a file beside the model
        return std::nullopt;
    OnnxConstant out{.type = tensor.data_type(), .dims = {tensor.dims().begin(), tensor.dims().end()}};
    const auto set_reals = [&](const auto &values) { out.reals.assign(values.begin(), values.end()); };
    const auto set_integers = [&](const auto &values) { out.integers.assign(values.begin(), values.end()); };
    switch (out.type) {
    case onnx_type::float32:
        set_reals(elements<float>(tensor, count, tensor.float_data()));
        break;
    case onnx_type::float64:
        set_reals(elements<double>(tensor, count, tensor.double_data()));
        break;
    case onnx_type::float16:
        for (const uint16_t bits : elements<uint16_t>(tensor, count, tensor.int32_data()))
            out.reals.push_back(f16_to_float(bits));
        break;
    case onnx_type::bfloat16:
        for (const uint16_t bits : elements<uint16_t>(tensor, count, tensor.int32_data()))
            out.reals.push_back(bf16_to_float(bits));
        break;
    case onnx_type::int64:
        set_integers(elements<int64_t>(tensor, count, tensor.int64_data()));
        break;
    case onnx_type::int32:
        set_integers(elements<int32_t>(tensor, count, tensor.int32_data()));
        break;
    case onnx_type::boolean:
        set_integers(elements<uint8_t>(tensor, count, tensor.int32_data()));
        break;
    default:
        break;
    }
    return out.reals.empty() && out.integers.empty() ? std::nullopt : std::optional(out);
}

/// What a Constant node gives.
std::optional<OnnxConstant> constant_of(const onnx::NodeProto &node) {
    if (node.attribute_size() != 1)
        return std::nullopt;
    const auto &attribute = node.attribute(0);
    if (attribute.name() == "value" && attribute.has_t())
        return constant_of(attribute.t());
    if (attribute.name() == "value_float")
        return OnnxConstant{.type = onnx_type::float32, .reals = {attribute.f()}};
    if (attribute.name() == "value_int")
        return OnnxConstant{.type = onnx_type::int64, .integers = {attribute.i()}};
    const int64_t count = attribute.ints_size();
    if (attribute.name() == "value_ints" && count > 0 && count <= most_elements)
        return OnnxConstant{.type = onnx_type::int64, .dims = {count}, .integers = {attribute.ints().begin(), attribute.ints().end()}};
    return std::nullopt;
}

OnnxOperation operation_of(const onnx::NodeProto &node) {
    const bool is_default = node.domain().empty() || node.domain() == "ai.onnx";
    OnnxOperation out{.op = is_default ? node.op_type() : node.domain() + "." + node.op_type(),
                      .inputs = {node.input().begin(), node.input().end()},
                      .outputs = {node.output().begin(), node.output().end()}};
    for (const auto &attribute : node.attribute()) {
        if (attribute.type() == 2)  // INT
            out.attributes[attribute.name()] = attribute.i();
        else
            out.unread = attribute.name();
    }
    return out;
}

}  // namespace

void add_constants(const onnx::GraphProto &graph, Constants &constants) {
    const auto add = [&](const std::string &name, const std::optional<OnnxConstant> &constant) {
        constants.erase(name);  // of a graph around this one
        if (constant)
            constants[name] = *constant;
    };
    for (const auto &tensor : graph.initializer())
        add(tensor.name(), constant_of(tensor));
    for (const auto &node : graph.node())
        if (node.op_type() == "Constant" && node.output_size() == 1)
            add(node.output(0), constant_of(node));
}

OnnxGraph read_graph(const onnx::GraphProto &graph, const Constants &around) {
    OnnxGraph out{.constants = around};
    add_constants(graph, out.constants);
    for (const auto &input : graph.input())
        out.inputs.push_back(input.name());
    for (const auto &output : graph.output())
        out.outputs.push_back(output.name());
    for (const auto &node : graph.node())
        if (node.op_type() != "Constant" || !node.domain().empty() || node.output_size() != 1 || !out.constants.contains(node.output(0)))
            out.operations.push_back(operation_of(node));
    return out;
}

}  // namespace attune

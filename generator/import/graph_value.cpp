#include "generator/import/graph_value.h"
#include "generator/import/node_rule.h"
#include "generator/spec/typing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace attune {
namespace {

struct AxisFacts {
    const char *name;
    std::optional<Variable> position, extent;
};
const AxisFacts &facts(Axis axis) {
    static const std::array<AxisFacts, 5> all = {{{"one element", {}, {}},
                                                  {"the batch", Variable::b, {}},
                                                  {"heads", Variable::h, {}},
                                                  {"queries", Variable::q, Variable::seq_len_q},
                                                  {"keys", Variable::kv, Variable::seq_len_kv}}};
    return all[static_cast<size_t>(axis)];
}

/// The number of elements along an axis.
GraphValue extent_value(Axis axis) {
    if (axis == Axis::one)
        return number_value(make_integer(1));
    GraphValue out{.extent_of = axis};
    if (const auto extent = facts(axis).extent)
        out.element = make_variable(*extent);
    return out;
}

GraphValue list_value(std::vector<GraphValue> items) {
    if (items.size() == 1) {
        GraphValue out = items[0];
        out.dims = {Axis::one};
        return out;
    }
    return {.is_list = true, .items = std::move(items)};
}

/// The numbers of a tensor of rank 1.
std::vector<GraphValue> items_of(const GraphValue &value) {
    if (value.is_list)
        return value.items;
    if (value.dims != std::vector{Axis::one})
        refuse("a shape or axes are no list of numbers");
    GraphValue item = value;
    item.dims.clear();
    return {item};
}

const std::vector<Axis> &dims_of(const GraphValue &value) {
    if (value.is_list)
        refuse("a list of numbers is used as a tensor");
    return value.dims;
}

std::optional<int64_t> integer_of(const GraphValue &value) {
    return value.element ? constant_integer(value.element) : std::nullopt;
}

int64_t attribute(const OnnxOperation &operation, const char *name, int64_t otherwise) {
    const auto found = operation.attributes.find(name);
    return found == operation.attributes.end() ? otherwise : found->second;
}

/// An index that may count from the end, in [0, size).
size_t index_in(int64_t index, size_t size, const char *what) {
    const int64_t n = static_cast<int64_t>(size);
    if (index < -n || index >= n)
        refuse("{} is {} of {}", what, index, n);
    return static_cast<size_t>(index < 0 ? index + n : index);
}

std::vector<size_t> axes_of(const GraphValue &value, size_t rank) {
    std::vector<size_t> axes;
    for (const GraphValue &item : items_of(value)) {
        const auto axis = integer_of(item);
        if (!axis)
            refuse("an axis is no constant");
        axes.push_back(index_in(*axis, rank, "an axis"));
    }
    std::sort(axes.begin(), axes.end());
    if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
        refuse("an axis is given twice");
    return axes;
}

GraphValue shape(const OnnxOperation &operation, const std::vector<GraphValue> &inputs) {
    const auto &dims = dims_of(inputs[0]);
    const int64_t rank = static_cast<int64_t>(dims.size());
    const auto bound = [&](const char *name, int64_t otherwise) {
        const int64_t x = attribute(operation, name, otherwise);
        return std::clamp<int64_t>(x < 0 && x >= -rank ? x + rank : x, 0, rank);
    };
    std::vector<GraphValue> items;
    for (int64_t i = bound("start", 0); i < bound("end", rank); i++)
        items.push_back(extent_value(dims[static_cast<size_t>(i)]));
    return list_value(items);
}

GraphValue gather(const OnnxOperation &operation, const std::vector<GraphValue> &inputs) {
    const auto items = items_of(inputs[0]);
    const auto index = integer_of(inputs[1]);
    if (attribute(operation, "axis", 0) != 0 || inputs[1].is_list || !index)
        refuse("Gather takes something else than one extent of a shape");
    GraphValue out = items[index_in(*index, items.size(), "the index of Gather")];
    out.dims = inputs[1].dims;
    return out;
}

GraphValue range(const std::vector<GraphValue> &inputs) {
    const Axis axis = inputs[1].extent_of;
    if (integer_of(inputs[0]) != 0 || integer_of(inputs[2]) != 1 || axis == Axis::one)
        refuse("Range counts something else than 0, 1, … up to an extent of the scores");
    return {.dims = {axis}, .element = make_variable(*facts(axis).position)};
}

/// Only dimensions of extent 1 come and go.
GraphValue reshape(const OnnxOperation &operation, const std::vector<GraphValue> &inputs) {
    std::vector<Axis> left;
    const auto &dims = dims_of(inputs[0]);
    std::copy_if(dims.begin(), dims.end(), std::back_inserter(left), [](Axis axis) { return axis != Axis::one; });
    const auto no_reshape = [] { refuse("Reshape does something else than to add and remove dimensions of one element"); };

    GraphValue out = inputs[0];
    out.dims.clear();
    const auto target = items_of(inputs[1]);
    for (size_t i = 0; i < target.size(); i++) {
        const auto size = integer_of(target[i]);
        if (size == 0 && (i >= dims.size() || attribute(operation, "allowzero", 0) != 0))
            no_reshape();
        if (size && *size != 0 && *size != 1 && *size != -1)
            no_reshape();
        const Axis wanted = size == 1    ? Axis::one
                            : size == 0  ? dims[i]
                            : size == -1 ? (left.empty() ? Axis::one : left.front())
                                         : target[i].extent_of;
        if (wanted != Axis::one) {
            if (left.empty() || left.front() != wanted)
                no_reshape();
            left.erase(left.begin());
        } else if (!size) {
            no_reshape();
        }
        out.dims.push_back(wanted);
    }
    if (!left.empty())
        no_reshape();
    return out;
}

GraphValue unsqueeze(const std::vector<GraphValue> &inputs) {
    GraphValue out = inputs[0];
    dims_of(out);
    for (const size_t axis : axes_of(inputs[1], out.dims.size() + items_of(inputs[1]).size()))
        out.dims.insert(out.dims.begin() + static_cast<std::ptrdiff_t>(axis), Axis::one);
    return out;
}

GraphValue squeeze(const std::vector<GraphValue> &inputs) {
    GraphValue out = inputs[0];
    auto axes = axes_of(inputs[1], dims_of(out).size());
    std::reverse(axes.begin(), axes.end());
    for (const size_t axis : axes) {
        if (out.dims[axis] != Axis::one)
            refuse("Squeeze removes a dimension along {}", facts(out.dims[axis]).name);
        out.dims.erase(out.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    }
    return out;
}

GraphValue expand(const std::vector<GraphValue> &inputs) {
    std::vector<Axis> target;
    for (const GraphValue &item : items_of(inputs[1])) {
        if (item.extent_of == Axis::one && integer_of(item) != 1)
            refuse("Expand repeats a tensor for something else than an extent of the scores");
        target.push_back(item.extent_of);
    }
    GraphValue out = inputs[0];
    out.dims = broadcast(dims_of(out), target);
    return out;
}

}  // namespace

GraphValue score_value() {
    return {.dims = {Axis::b, Axis::h, Axis::q, Axis::kv}, .element = make_variable(Variable::s)};
}

GraphValue number_value(ExprPtr number) {
    return {.element = std::move(number)};
}

GraphValue constant_value(const OnnxConstant &constant, const std::string &name) {
    std::vector<GraphValue> items;
    for (const int64_t x : constant.integers)
        items.push_back(number_value(constant.type == onnx_type::boolean ? make_boolean(x != 0) : make_integer(x)));
    for (const double real : constant.reals) {
        const float x = static_cast<float>(real);  // as kernels have it
        if (std::isnan(x) || x == HUGE_VALF)
            refuse("the constant {} is {}", name, x);
        // What 0.1f means is 0.1. Below -1e29 a score hides its key.
        items.push_back(number_value(make_real(std::isinf(x) ? -1e30 : std::strtod(fmt::format("{}", x).c_str(), nullptr))));
    }
    const bool single = std::all_of(constant.dims.begin(), constant.dims.end(), [](int64_t size) { return size == 1; });
    if (single) {
        items[0].dims.assign(constant.dims.size(), Axis::one);
        return items[0];
    }
    if (constant.dims.size() != 1)
        refuse("the constant {} is no number and no list of numbers", name);
    return list_value(std::move(items));
}

const ExprPtr &element_of(const GraphValue &value) {
    dims_of(value);
    if (!value.element)
        refuse("the number of {} is computed with, and expressions have no name for it",
               value.extent_of == Axis::b ? "sequences" : facts(value.extent_of).name);
    return value.element;
}

std::vector<Axis> broadcast(const std::vector<Axis> &a, const std::vector<Axis> &b) {
    if (a.size() < b.size())
        return broadcast(b, a);
    std::vector<Axis> out = a;
    const size_t shift = a.size() - b.size();
    for (size_t i = 0; i < b.size(); i++) {
        if (out[shift + i] == Axis::one)
            out[shift + i] = b[i];
        else if (b[i] != Axis::one && b[i] != out[shift + i])
            refuse("a tensor along {} meets one along {} in one dimension", facts(out[shift + i]).name, facts(b[i]).name);
    }
    return out;
}

std::optional<GraphValue> shape_operator(const OnnxOperation &operation, const std::vector<GraphValue> &inputs) {
    static const std::map<std::string, size_t> operators = {{"Shape", 1},     {"Gather", 2},  {"Range", 3}, {"Reshape", 2},
                                                            {"Unsqueeze", 2}, {"Squeeze", 2}, {"Expand", 2}};
    const auto found = operators.find(operation.op);
    if (found == operators.end())
        return std::nullopt;
    if (inputs.size() != found->second)
        refuse("{} has {} inputs, expected {}", operation.op, inputs.size(), found->second);
    if (operation.op == "Shape")
        return shape(operation, inputs);
    if (operation.op == "Gather")
        return gather(operation, inputs);
    if (operation.op == "Range")
        return range(inputs);
    if (operation.op == "Reshape")
        return reshape(operation, inputs);
    if (operation.op == "Unsqueeze")
        return unsqueeze(inputs);
    return operation.op == "Squeeze" ? squeeze(inputs) : expand(inputs);
}

}  // namespace attune

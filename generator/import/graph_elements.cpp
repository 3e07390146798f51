#include "generator/import/graph_elements.h"
#include "generator/import/node_rule.h"
#include "generator/spec/typing.h"

#include <algorithm>

namespace attune {
namespace {

constexpr int64_t most_parts = 512;  // of an expression; the parser takes as many operations one upon another

struct Elementwise {
    Op op;
    size_t inputs;  ///< 0: any number from 1 on, from left to right
};
const std::map<std::string, Elementwise> operators = {
    {"Abs", {Op::abs, 1}},    {"Add", {Op::add, 2}},         {"And", {Op::logical_and, 2}},
    {"Div", {Op::divide, 2}}, {"Equal", {Op::equal, 2}},     {"Exp", {Op::exp, 1}},
    {"Less", {Op::less, 2}},  {"Greater", {Op::greater, 2}}, {"GreaterOrEqual", {Op::greater_equal, 2}},
    {"Log", {Op::log, 1}},    {"Max", {Op::max, 0}},         {"LessOrEqual", {Op::less_equal, 2}},
    {"Min", {Op::min, 0}},    {"Mod", {Op::modulo, 2}},      {"Mul", {Op::multiply, 2}},
    {"Neg", {Op::negate, 1}}, {"Not", {Op::logical_not, 1}}, {"Or", {Op::logical_or, 2}},
    {"Sqrt", {Op::sqrt, 1}},  {"Sigmoid", {Op::sigmoid, 1}}, {"Sub", {Op::subtract, 2}},
    {"Tanh", {Op::tanh, 1}},  {"Where", {Op::select, 3}},    {"Xor", {Op::not_equal, 2}},
};

/// c * tanh(x / c) as softcap(x, c), which kernels know; null where it is something else.
ExprPtr soft_cap(const ExprPtr &cap, const ExprPtr &curve) {
    if (curve->op != Op::tanh || curve->operands[0]->op != Op::divide)
        return nullptr;
    const auto &quotient = curve->operands[0]->operands;
    const auto c = constant_real(cap), divisor = constant_real(quotient[1]);
    if (!c || c != divisor || !(*c > 0))
        return nullptr;
    auto node = std::make_shared<Node>(*make_node(Op::helper, ExprType::real, {quotient[0], cap}));
    node->helper = "softcap";
    node->body = make_node(Op::multiply, ExprType::real, {cap, curve});
    return node;
}

/// Of integers, ONNX divides towards zero and expressions downwards.
ExprPtr divide(const ExprPtr &a, const ExprPtr &b, const std::string &symbol) {
    ExprPtr quotient = typed_node(Op::divide, {a, b}, symbol);
    if (quotient->type != ExprType::integer)
        return quotient;
    if (constant_integer(b).value_or(0) < 1)
        refuse("Div of integers by something else than a positive constant");
    if (a->op == Op::variable)  // a position or a length, never negative
        return quotient;
    const ExprPtr negative = typed_node(Op::negate, {typed_node(Op::divide, {typed_node(Op::negate, {a}, symbol), b}, symbol)}, symbol);
    return typed_node(Op::select, {typed_node(Op::less, {a, make_integer(0)}, symbol), negative, quotient}, symbol);
}

ExprPtr combine(Op op, const std::vector<ExprPtr> &operands, const std::string &symbol) {
    if (op == Op::divide)
        return divide(operands[0], operands[1], symbol);
    if (op == Op::multiply)
        for (const size_t i : {size_t{0}, size_t{1}})
            if (const ExprPtr capped = soft_cap(operands[i], operands[1 - i]))
                return capped;
    return typed_node(op, operands, symbol);
}

GraphValue combined(Op op, const std::vector<GraphValue> &inputs, const std::string &symbol) {
    GraphValue out;
    std::vector<ExprPtr> operands;
    for (const GraphValue &input : inputs) {
        operands.push_back(element_of(input));
        out.dims = broadcast(out.dims, input.dims);
        out.parts += op == Op::divide ? 4 * input.parts : input.parts;  // of integers it writes them thrice
    }
    if (out.parts > most_parts)
        refuse("the graph is longer than {} operations when it is written as one expression", most_parts);
    out.element = combine(op, operands, symbol);
    return out;
}

/// x^2, x^3, x^4 as products, x^0.5 as a root.
GraphValue power(const std::vector<GraphValue> &inputs) {
    const ExprPtr &exponent = element_of(inputs[1]);
    const double n = exponent->type == ExprType::integer ? static_cast<double>(constant_integer(exponent).value_or(0))
                                                         : constant_real(exponent).value_or(0);
    GraphValue out = inputs[0];
    out.extent_of = Axis::one;
    if (n == 0.5)
        return combined(Op::sqrt, {inputs[0]}, "Pow");
    if (n != 1 && n != 2 && n != 3 && n != 4)
        refuse("Pow has another exponent than the constants 0.5, 1, 2, 3 and 4");
    for (int i = 1; i < static_cast<int>(n); i++)
        out = combined(Op::multiply, {out, inputs[0]}, "Pow");
    return out;
}

GraphValue cast(const GraphValue &input, int64_t to) {
    const ExprPtr &x = element_of(input);
    const bool is_float = to == onnx_type::float32 || to == onnx_type::float16 || to == onnx_type::float64 || to == onnx_type::bfloat16;
    const bool is_integer = to == onnx_type::int32 || to == onnx_type::int64;
    const auto constant = [](double value, bool real) {
        return number_value(real ? make_real(value) : make_integer(static_cast<int64_t>(value)));
    };
    if (is_float && x->type == ExprType::integer) {
        GraphValue out = input;
        out.extent_of = Axis::one;
        out.element = as_real(x);
        return out;
    }
    if ((is_float && x->type == ExprType::real) || (is_integer && x->type == ExprType::integer) ||
        (to == onnx_type::boolean && x->type == ExprType::boolean))
        return input;
    if (x->type == ExprType::boolean && (is_float || is_integer))
        return combined(Op::select, {input, constant(1, is_float), constant(0, is_float)}, "Cast");
    if (to == onnx_type::boolean)
        return combined(Op::not_equal, {input, constant(0, x->type == ExprType::real)}, "Cast");
    refuse("Cast to {} of {}", onnx_type_name(static_cast<int>(to)), type_name(x->type));
}

GraphValue apply(const OnnxOperation &operation, const Elementwise &elementwise, const std::vector<GraphValue> &inputs) {
    if (elementwise.inputs == 0 ? inputs.empty() : inputs.size() != elementwise.inputs)
        refuse("{} has {} inputs", operation.op, inputs.size());
    if (elementwise.op == Op::modulo && operation.attributes.contains("fmod") && operation.attributes.at("fmod") != 0)
        refuse("Mod has fmod = 1, whose sign is another");
    if (elementwise.inputs != 0)
        return combined(elementwise.op, inputs, operation.op);
    GraphValue out = inputs[0];
    for (size_t i = 1; i < inputs.size(); i++)
        out = combined(elementwise.op, {out, inputs[i]}, operation.op);
    return out;
}

}  // namespace

std::optional<GraphValue> element_operator(const OnnxOperation &operation, const std::vector<GraphValue> &inputs) {
    const auto need = [&](size_t count) {
        if (inputs.size() != count)
            refuse("{} has {} inputs, expected {}", operation.op, inputs.size(), count);
    };
    try {
        if (const auto found = operators.find(operation.op); found != operators.end())
            return apply(operation, found->second, inputs);
        if (operation.op == "Pow") {
            need(2);
            return power(inputs);
        }
        if (operation.op == "Cast") {
            need(1);
            const auto to = operation.attributes.find("to");
            return cast(inputs[0], to == operation.attributes.end() ? 0 : to->second);
        }
    } catch (const TypeProblem &problem) {
        refuse("{}, expected {}", problem.problem, problem.expected);
    }
    if (operation.op != "Identity")
        return std::nullopt;
    need(1);
    return inputs[0];
}

}  // namespace attune

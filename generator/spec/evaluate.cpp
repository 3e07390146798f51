#include "generator/spec/evaluate.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace attune {
namespace {

// Signed overflow is undefined in C++; expressions wrap.
int64_t wrap(uint64_t x) { return static_cast<int64_t>(x); }
uint64_t bits(int64_t x) { return static_cast<uint64_t>(x); }

int64_t floor_divide(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return wrap(0 - bits(a));  // the one quotient that overflows
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t floor_modulo(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/// floor(x) as an integer: the nearest one where it has none, 0 for NaN.
int64_t floor_to_integer(double x) {
    if (std::isnan(x)) return 0;
    if (x >= 0x1p63) return INT64_MAX;
    if (x < -0x1p63) return INT64_MIN;
    return static_cast<int64_t>(std::floor(x));
}

int64_t variable_value(const Bindings &bindings, Variable variable) {
    const auto value = [&](Variable v) { return bindings.values[static_cast<size_t>(v)]; };
    if (variable == Variable::q_abs) return value(Variable::q) + value(Variable::seq_len_kv) - value(Variable::seq_len_q);
    return value(variable);
}

bool is_constant(Op op) { return op == Op::integer || op == Op::real || op == Op::boolean; }

}  // namespace

Program::Program(const std::vector<ExprPtr> &roots) : roots_(roots) {
    std::unordered_map<const Node *, int> place;  // of a node's value, once its step is there
    for (const ExprPtr &root : roots_) {
        // Depth first without recursion: expressions may be chains of thousands of nodes.
        std::vector<const Node *> open = {root.get()};
        while (!open.empty()) {
            const Node *node = open.back();
            if (place.contains(node)) {
                open.pop_back();
                continue;
            }
            const size_t before = open.size();
            const auto need = [&](const Node *part) {
                if (!place.contains(part)) open.push_back(part);
            };
            if (node->op == Op::helper)
                need(node->body.get());
            else
                for (const ExprPtr &operand : node->operands) need(operand.get());
            if (open.size() > before) continue;

            open.pop_back();
            if (node->op == Op::helper) {
                place[node] = place.at(node->body.get());
                continue;
            }
            const int result = static_cast<int>(values_.size());
            values_.push_back({node->integer, node->real});
            place[node] = result;
            if (is_constant(node->op)) continue;
            Step step{node, result, static_cast<int>(operands_.size()),
                      !node->operands.empty() && node->operands[0]->type == ExprType::real};
            for (const ExprPtr &operand : node->operands) operands_.push_back(place.at(operand.get()));
            steps_.push_back(step);
        }
        results_.push_back(place.at(root.get()));
    }
    out_.resize(results_.size());
}

const std::vector<Program::Value> &Program::run(const Bindings &bindings, const std::vector<ParamValue> &params) {
    for (const Step &step : steps_) {
        const Node &node = *step.node;
        const int *operands = operands_.data() + step.operands;
        const auto operand = [&](int i) -> const Value & { return values_[static_cast<size_t>(operands[i])]; };
        const auto a = [&] { return operand(0).integer; };
        const auto b = [&] { return operand(1).integer; };
        const auto x = [&] { return operand(0).real; };
        const auto y = [&] { return operand(1).real; };
        // Index i of an array with `extent` places, clamped into it.
        const auto index = [&](int i, int64_t extent) { return std::clamp<int64_t>(operand(i).integer, 0, extent - 1); };
        const bool real = step.real;  // what the operands are
        Value out;
        switch (node.op) {
        case Op::integer:
        case Op::real:
        case Op::boolean:
        case Op::helper: break;  // have no step
        case Op::variable:
            if (node.variable == Variable::s)
                out.real = bindings.s;
            else if (node.type == ExprType::real)
                out.real = static_cast<double>(variable_value(bindings, node.variable));
            else
                out.integer = variable_value(bindings, node.variable);
            break;
        case Op::parameter:
            out = {params[static_cast<size_t>(node.parameter)].integer, params[static_cast<size_t>(node.parameter)].real};
            break;
        case Op::element: {
            const ParamValue &tensor = params[static_cast<size_t>(node.parameter)];
            if (tensor.elements.empty()) break;
            int64_t at = 0;
            for (size_t d = 0; d < tensor.extents.size(); d++) at = at * tensor.extents[d] + index(static_cast<int>(d), tensor.extents[d]);
            const double element = tensor.elements[static_cast<size_t>(at)];
            if (node.type == ExprType::real)
                out.real = element;
            else
                out.integer = static_cast<int64_t>(element);
            break;
        }
        case Op::pattern: {
            const Pattern &p = *node.pattern;
            if (p.visible.empty()) break;
            out.integer = p.visible[static_cast<size_t>((index(0, p.heads) * p.rows + index(1, p.rows)) * p.columns + index(2, p.columns))];
            break;
        }
        case Op::negate: out = {wrap(0 - bits(a())), -x()}; break;
        case Op::logical_not: out.integer = !a(); break;
        case Op::add: out = {wrap(bits(a()) + bits(b())), x() + y()}; break;
        case Op::subtract: out = {wrap(bits(a()) - bits(b())), x() - y()}; break;
        case Op::multiply: out = {wrap(bits(a()) * bits(b())), x() * y()}; break;
        case Op::divide:
            if (real)
                out.real = x() / y();
            else
                out.integer = floor_divide(a(), b());
            break;
        case Op::modulo: out.integer = floor_modulo(a(), b()); break;
        case Op::less: out.integer = real ? x() < y() : a() < b(); break;
        case Op::less_equal: out.integer = real ? x() <= y() : a() <= b(); break;
        case Op::greater: out.integer = real ? x() > y() : a() > b(); break;
        case Op::greater_equal: out.integer = real ? x() >= y() : a() >= b(); break;
        case Op::equal: out.integer = real ? x() == y() : a() == b(); break;
        case Op::not_equal: out.integer = real ? x() != y() : a() != b(); break;
        case Op::logical_and: out.integer = a() && b(); break;
        case Op::logical_or: out.integer = a() || b(); break;
        case Op::min: out = {std::min(a(), b()), std::min(x(), y())}; break;
        case Op::max: out = {std::max(a(), b()), std::max(x(), y())}; break;
        case Op::abs: out = {a() < 0 ? wrap(0 - bits(a())) : a(), std::abs(x())}; break;
        case Op::select: out = a() ? operand(1) : operand(2); break;
        case Op::exp: out.real = std::exp(x()); break;
        case Op::exp2: out.real = std::exp2(x()); break;
        case Op::log: out.real = std::log(x()); break;
        case Op::log2: out.real = std::log2(x()); break;
        case Op::sqrt: out.real = std::sqrt(x()); break;
        case Op::rsqrt: out.real = 1 / std::sqrt(x()); break;
        case Op::tanh: out.real = std::tanh(x()); break;
        case Op::sigmoid: out.real = 1 / (1 + std::exp(-x())); break;
        case Op::floor: out.integer = floor_to_integer(x()); break;
        case Op::to_real: out.real = static_cast<double>(a()); break;
        case Op::bit: out.integer = b() >= 0 && b() < 32 && ((bits(a()) >> b()) & 1); break;
        }
        values_[static_cast<size_t>(step.result)] = out;
    }
    for (size_t i = 0; i < results_.size(); i++) out_[i] = values_[static_cast<size_t>(results_[i])];
    return out_;
}

Program::Value evaluate(const ExprPtr &root, const Bindings &bindings, const std::vector<ParamValue> &params) {
    return Program({root}).run(bindings, params)[0];
}

}  // namespace attune

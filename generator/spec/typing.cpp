#include "generator/spec/typing.h"
#include "generator/spec/evaluate.h"

#include <fmt/format.h>

#include <unordered_set>

namespace attune {
namespace {

bool is_constant(const ExprPtr &root) {
    std::unordered_set<const Node *> seen;
    std::vector<const Node *> open = {root.get()};
    while (!open.empty()) {
        const Node *node = open.back();
        open.pop_back();
        if (!seen.insert(node).second) continue;
        if (node->op == Op::variable || node->op == Op::parameter || node->op == Op::element || node->op == Op::pattern) return false;
        if (node->op == Op::helper)
            open.push_back(node->body.get());
        else
            for (const ExprPtr &operand : node->operands) open.push_back(operand.get());
    }
    return true;
}

void need_number(const std::vector<ExprPtr> &operands, size_t i, const std::string &symbol) {
    if (operands[i]->type == ExprType::boolean)
        throw TypeProblem{i, fmt::format("{} has an operand that is true or false", symbol), "a number",
                          "write select(condition, 1, 0) for a number"};
}

void need_boolean(const std::vector<ExprPtr> &operands, size_t i, const std::string &symbol) {
    if (operands[i]->type == ExprType::boolean) return;
    const bool denies = symbol == "!";
    throw TypeProblem{i, fmt::format("{} has an operand that is {}", symbol, type_name(operands[i]->type)), "true or false",
                      denies ? "put the comparison in parentheses, as in !(a < b)" : "compare it, such as x != 0"};
}

void need_integer(const std::vector<ExprPtr> &operands, size_t i, const std::string &symbol) {
    if (operands[i]->type == ExprType::integer) return;
    throw TypeProblem{i, fmt::format("{} has an operand that is {}", symbol, type_name(operands[i]->type)), "an integer",
                      operands[i]->type == ExprType::real ? "write floor(x)" : "write select(condition, 1, 0)"};
}

/// Two numbers of one type.
void unite(std::vector<ExprPtr> &operands, size_t first, const std::string &symbol) {
    need_number(operands, first, symbol);
    need_number(operands, first + 1, symbol);
    if (operands[first]->type == operands[first + 1]->type) return;
    operands[first] = as_real(operands[first]);
    operands[first + 1] = as_real(operands[first + 1]);
}

void refuse_zero_divisor(const ExprPtr &divisor, const std::string &symbol) {
    if (!is_constant(divisor)) return;
    const Program::Value value = evaluate(divisor, {}, {});
    if (divisor->type == ExprType::integer ? value.integer != 0 : value.real != 0) return;
    throw TypeProblem{1, fmt::format("{} by zero", symbol == "%" ? "a remainder of a division" : "a division"), "another divisor than 0",
                      "write another divisor"};
}

}  // namespace

const char *type_name(ExprType type) {
    return type == ExprType::boolean ? "true or false" : type == ExprType::integer ? "an integer" : "a real number";
}

ExprPtr as_real(const ExprPtr &expression) {
    if (expression->type == ExprType::real) return expression;
    if (expression->op == Op::integer) {
        auto node = std::make_shared<Node>(*make_real(static_cast<double>(expression->integer)));
        node->column = expression->column;
        return node;
    }
    return make_node(Op::to_real, ExprType::real, {expression});
}

std::optional<int64_t> constant_integer(const ExprPtr &expression) {
    if (expression->type != ExprType::integer || !is_constant(expression)) return std::nullopt;
    return evaluate(expression, {}, {}).integer;
}

std::optional<double> constant_real(const ExprPtr &expression) {
    if (expression->type != ExprType::real || !is_constant(expression)) return std::nullopt;
    return evaluate(expression, {}, {}).real;
}

ExprPtr typed_node(Op op, std::vector<ExprPtr> operands, const std::string &symbol) {
    ExprType type = ExprType::boolean;
    switch (op) {
    case Op::negate:
    case Op::abs:
        need_number(operands, 0, symbol);
        type = operands[0]->type;
        break;
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::min:
    case Op::max:
        unite(operands, 0, symbol);
        if (op == Op::divide) refuse_zero_divisor(operands[1], symbol);
        type = operands[0]->type;
        break;
    case Op::modulo:
    case Op::bit:
        need_integer(operands, 0, symbol);
        need_integer(operands, 1, symbol);
        if (op == Op::modulo) refuse_zero_divisor(operands[1], symbol);
        type = op == Op::bit ? ExprType::boolean : ExprType::integer;
        break;
    case Op::equal:
    case Op::not_equal:
        if (operands[0]->type == ExprType::boolean && operands[1]->type == ExprType::boolean) break;
        [[fallthrough]];
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal: unite(operands, 0, symbol); break;
    case Op::logical_not: need_boolean(operands, 0, symbol); break;
    case Op::logical_and:
    case Op::logical_or:
        need_boolean(operands, 0, symbol);
        need_boolean(operands, 1, symbol);
        break;
    case Op::select:
        need_boolean(operands, 0, symbol);
        if (operands[1]->type != ExprType::boolean || operands[2]->type != ExprType::boolean) unite(operands, 1, symbol);
        type = operands[1]->type;
        break;
    case Op::to_real: need_number(operands, 0, symbol); return as_real(operands[0]);
    default:  // exp … sigmoid and floor
        need_number(operands, 0, symbol);
        operands[0] = as_real(operands[0]);
        type = op == Op::floor ? ExprType::integer : ExprType::real;
        break;
    }
    return make_node(op, type, std::move(operands));
}

}  // namespace attune

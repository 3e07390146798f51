#include "generator/spec/expression.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace attune {
namespace {

/// Larger binds tighter.
enum Precedence { any, disjunction, conjunction, comparison, sum, product, unary, primary };

struct Operator {
    Op op;
    const char *symbol;
    Precedence precedence;
};
constexpr std::array<Operator, 13> operators = {{
    {Op::logical_or, "||", disjunction},
    {Op::logical_and, "&&", conjunction},
    {Op::less, "<", comparison},
    {Op::less_equal, "<=", comparison},
    {Op::greater, ">", comparison},
    {Op::greater_equal, ">=", comparison},
    {Op::equal, "==", comparison},
    {Op::not_equal, "!=", comparison},
    {Op::add, "+", sum},
    {Op::subtract, "-", sum},
    {Op::multiply, "*", product},
    {Op::divide, "/", product},
    {Op::modulo, "%", product},
}};

const char *function_name(Op op) {
    switch (op) {
    case Op::min: return "min";
    case Op::max: return "max";
    case Op::abs: return "abs";
    case Op::select: return "select";
    case Op::exp: return "exp";
    case Op::exp2: return "exp2";
    case Op::log: return "log";
    case Op::log2: return "log2";
    case Op::sqrt: return "sqrt";
    case Op::rsqrt: return "rsqrt";
    case Op::tanh: return "tanh";
    case Op::sigmoid: return "sigmoid";
    case Op::floor: return "floor";
    case Op::to_real: return "float";
    case Op::bit: return "bit";
    default: return "pattern";
    }
}

std::string real_text(double value) {
    std::string text = fmt::format("{}", value);
    if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
    return text;
}

/// A negated literal is a negative one, and an integer literal made real a real one, as the parser reads them.
ExprPtr literal(const ExprPtr &e) {
    if (e->op != Op::negate && e->op != Op::to_real) return e;
    const ExprPtr inner = literal(e->operands[0]);
    if (e->op == Op::to_real) return inner->op == Op::integer ? make_real(static_cast<double>(inner->integer)) : e;
    if (inner->op == Op::integer && inner->integer >= 0) return make_integer(-inner->integer);
    return inner->op == Op::real && !std::signbit(inner->real) ? make_real(-inner->real) : e;
}

/// Whether the parser makes this real out of an integer by itself, where a real is wanted: "float(kv)" is "kv" then, and "2.0" is "2".
bool converts(const ExprPtr &expression) {
    const ExprPtr e = literal(expression);
    if (e->op == Op::to_real) return true;
    return e->op == Op::real && std::abs(e->real) < 0x1p53 && e->real == std::floor(e->real) && !(e->real == 0 && std::signbit(e->real));
}

class Printer {
public:
    explicit Printer(const std::vector<ParamDeclaration> &params) : params_(params) {}

    std::string print(const ExprPtr &expression, Precedence least) const {
        const ExprPtr e = literal(expression);
        std::string text = bare(e);
        return precedence(e) < least ? "(" + text + ")" : text;
    }

private:
    /// An operand in whose place a real is wanted.
    std::string print_converted(const ExprPtr &expression, Precedence least) const {
        const ExprPtr e = literal(expression);
        if (e->op == Op::to_real) return print(e->operands[0], least);
        if (converts(e)) return print(make_integer(static_cast<int64_t>(e->real)), least);
        return print(e, least);
    }

    /// Of two operands that meet, one alone may be left to the parser: "kv < 10.0" rather than "float(kv) < 10".
    std::string print_operand(const ExprPtr &e, const ExprPtr &other, Precedence least) const {
        const bool shows_real = other->type == ExprType::real &&
                                (!converts(other) || (literal(e)->op == Op::to_real && literal(other)->op == Op::real));
        return shows_real ? print_converted(e, least) : print(e, least);
    }

    static Precedence precedence(const ExprPtr &e) {
        for (const Operator &o : operators)
            if (o.op == e->op) return o.precedence;
        if (e->op == Op::integer && e->integer == INT64_MIN) return sum;
        const bool negative = (e->op == Op::integer && e->integer < 0) || (e->op == Op::real && std::signbit(e->real));
        return negative || e->op == Op::negate || e->op == Op::logical_not ? unary : primary;
    }

    std::string list(const std::vector<ExprPtr> &operands) const {
        std::string out;
        for (const ExprPtr &operand : operands) out += (out.empty() ? "" : ", ") + print(operand, any);
        return out;
    }

    std::string call(const ExprPtr &e) const {
        std::string out;
        switch (e->op) {
        case Op::min:
        case Op::max:
            out = print_operand(e->operands[0], e->operands[1], any) + ", " + print_operand(e->operands[1], e->operands[0], any);
            break;
        case Op::select:
            out = print(e->operands[0], any) + ", " + print_operand(e->operands[1], e->operands[2], any) + ", " +
                  print_operand(e->operands[2], e->operands[1], any);
            break;
        case Op::exp:
        case Op::exp2:
        case Op::log:
        case Op::log2:
        case Op::sqrt:
        case Op::rsqrt:
        case Op::tanh:
        case Op::sigmoid:
        case Op::floor: out = print_converted(e->operands[0], any); break;
        default: out = list(e->operands); break;
        }
        return fmt::format("{}({})", function_name(e->op), out);
    }

    std::string helper(const ExprPtr &e) const {
        if (e->operands.empty()) return e->helper;
        std::string out;
        for (const ExprPtr &operand : e->operands) {
            if (!out.empty()) out += ", ";
            if (operand->op == Op::pattern)
                out += fmt::format("\"{}\"", operand->pattern->file);
            else if (operand->type == ExprType::real)
                out += print_converted(operand, any);
            else
                out += print(operand, any);
        }
        return fmt::format("{}({})", e->helper, out);
    }

    std::string bare(const ExprPtr &e) const {
        switch (e->op) {
        case Op::integer: return e->integer == INT64_MIN ? "-9223372036854775807 - 1" : std::to_string(e->integer);
        case Op::real: return real_text(e->real);
        case Op::boolean: return e->integer ? "true" : "false";
        case Op::variable: return variable_name(e->variable);
        case Op::parameter: return params_[static_cast<size_t>(e->parameter)].name;
        case Op::element: return fmt::format("{}[{}]", params_[static_cast<size_t>(e->parameter)].name, list(e->operands));
        case Op::helper: return helper(e);
        case Op::negate: return "-" + print(e->operands[0], primary);
        case Op::logical_not: return "!" + print(e->operands[0], unary);
        default: break;
        }
        for (const Operator &o : operators)
            if (o.op == e->op) {
                const ExprPtr &a = e->operands[0], &b = e->operands[1];
                // Equal levels group to the left; comparisons do not group.
                const Precedence left = o.precedence == comparison ? sum : o.precedence, right = static_cast<Precedence>(o.precedence + 1);
                return fmt::format("{} {} {}", print_operand(a, b, left), o.symbol, print_operand(b, a, right));
            }
        return call(e);
    }

    const std::vector<ParamDeclaration> &params_;
};

}  // namespace

std::string print_expression(const ExprPtr &root, const std::vector<ParamDeclaration> &params) { return Printer(params).print(root, any); }

}  // namespace attune

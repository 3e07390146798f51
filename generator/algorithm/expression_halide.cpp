#include "generator/algorithm/expression_halide.h"
#include "generator/algorithm/half_bits.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <limits>

namespace attune {

using namespace Halide;

Expr tanh_bounded(const Expr &x) {
    // x * P(x^2) / Q(x^2), degree 4 each, on [-9, 9]: relative error 2.1e-8 in exact arithmetic, 3.7e-7 in f32. Fitted for this file by
    // iteratively reweighted least squares on Chebyshev points.
    const Expr bounded = clamp(x, -9.0f, 9.0f), t = bounded * bounded;
    auto polynomial = [&](std::initializer_list<float> coefficients) {
        Expr sum;
        for (float c : coefficients)
            sum = sum.defined() ? sum * t + c : Expr(c);
        return sum;
    };
    return bounded * polynomial({1.335481616e-08f, 2.060921035e-05f, 3.495596722e-03f, 1.338103321e-01f, 9.999999796e-01f}) /
           polynomial({7.776626312e-07f, 3.285648275e-04f, 2.587701586e-02f, 4.671434883e-01f, 1.0f});
}

namespace {

/// What an integer can be; saturates far outside 64 bits.
struct Bounds {
    __int128 low = 0, high = 0;
};
constexpr __int128 bounds_limit = __int128(1) << 100;
Bounds saturated(__int128 low, __int128 high) {
    return {std::clamp(low, -bounds_limit, bounds_limit), std::clamp(high, -bounds_limit, bounds_limit)};
}
bool fits_32(const Bounds &b) {
    return b.low >= std::numeric_limits<int32_t>::min() && b.high <= std::numeric_limits<int32_t>::max();
}

/// An expression with what is known of it, where it is an integer.
struct Value {
    Expr expr;
    Bounds bounds;
};

class Translator {
public:
    explicit Translator(const ExpressionInputs &inputs) : inputs_(inputs) {}

    Value translate(const ExprPtr &root) {
        const ExprPtr &node = without_helper(root);
        if (const auto known = known_.find(node.get()); known != known_.end())
            return known->second;
        const Value value = make(*node);
        known_.emplace(node.get(), value);
        return value;
    }

    Expr stored(const Node &node, bool key_exists) {
        const Parameter &value = parameter_value(node);
        const ParamDeclaration &param = declaration(node);
        std::vector<Expr> index;  // innermost first
        for (size_t d = param.dims.size(); d-- > 0;) {
            const auto [i, bounds] = translate(node.operands[d]);
            // Halide's name for the extent of dimension d of a buffer argument.
            const Expr extent = Internal::Variable::make(Int(32), value.name() + ".extent." + std::to_string(index.size()), value);
            const bool one = param.dims[d].kind == ParamDeclaration::Dim::Kind::one;
            const Expr zero = cast(i.type(), 0), last = cast(i.type(), extent - 1), below = min(i, last);
            // No promise beside existing keys: with one, Halide loads what has a predicate one by one.
            const Expr inside = bounds.low >= 0 && !key_exists ? unsafe_promise_clamped(below, zero, last) : max(below, zero);
            index.push_back(one ? Expr(0) : cast<int>(key_exists && index.empty() ? i : inside));
        }
        return Internal::Call::make(value, index);
    }

private:
    Value make(const Node &node) {
        switch (node.op) {
        case Op::integer:
            return integer(Expr(), {node.integer, node.integer});
        case Op::boolean:
            return {Halide::Internal::make_bool(node.integer != 0), {}};
        case Op::real:
            return {Expr(static_cast<float>(node.real)), {}};
        case Op::variable:
            return variable(node.variable);
        case Op::parameter:
            return parameter(node);
        case Op::element:
            return element(node);
        case Op::pattern:
            return pattern(node);
        default:
            return node.type == ExprType::integer ? integer_operation(node) : operation(node);
        }
    }

    /// A 32-bit expression where the bounds allow it, else a 64-bit one. An undefined expr: the constant.
    static Value integer(const Expr &expr, const Bounds &bounds) {
        const Type type = fits_32(bounds) ? Int(32) : Int(64);
        if (!expr.defined())
            return {Halide::Internal::make_const(type, static_cast<int64_t>(bounds.low)), bounds};
        return {expr.type() == type ? expr : cast(type, expr), bounds};
    }

    Value variable(Variable v) {
        if (v == Variable::q_abs && !inputs_.variables.contains(v)) {
            const Bounds bounds = {-largest_length, largest_length};
            return {at(Variable::q) + (at(Variable::seq_len_kv) - at(Variable::seq_len_q)), bounds};
        }
        if (v == Variable::s)
            return {at(v), {}};
        const bool small = v == Variable::b || v == Variable::h || v == Variable::hkv || v == Variable::h_first || v == Variable::h_last;
        return {at(v), {0, small ? int64_t(1) << 20 : largest_length}};
    }

    const Expr &at(Variable v) {
        const auto found = inputs_.variables.find(v);
        if (found == inputs_.variables.end())
            throw internal_error("expression", std::string("no value for ") + variable_name(v));
        return found->second;
    }

    static constexpr Bounds any_i32 = {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};

    const ParamDeclaration &declaration(const Node &node) { return (*inputs_.params)[static_cast<size_t>(node.parameter)]; }
    const Parameter &parameter_value(const Node &node) { return (*inputs_.param_values)[static_cast<size_t>(node.parameter)]; }

    Value parameter(const Node &node) {
        const Parameter &value = parameter_value(node);
        return {Internal::Variable::make(value.type(), value.name(), value), any_i32};
    }

    Value element(const Node &node) {
        const Expr staged = inputs_.staged ? inputs_.staged(node) : Expr();
        const Expr raw = staged.defined() ? staged : stored(node, false);
        switch (declaration(node).element) {
        case ParamDeclaration::Element::i32:
            return {raw, any_i32};
        case ParamDeclaration::Element::boolean:
            return {raw != cast<uint8_t>(0), {}};
        default:
            break;
        }
        // -infinity is not data inside Halide: judged on bits.
        const Expr bits = reinterpret<int>(as_f32(raw, declaration(node).element));
        return {reinterpret<float>(select(bits == static_cast<int>(0xff800000u), reinterpret<int>(Expr(-1e30f)), bits)), {}};
    }

    /// An element as it is stored; halves may be stored as their bits (add_params).
    static Expr as_f32(const Expr &raw, ParamDeclaration::Element element) {
        if (raw.type() != UInt(16))
            return cast<float>(raw);
        return element == ParamDeclaration::Element::f16 ? f32_of_half_bits(raw) : f32_of_bf16_bits(raw);
    }

    Value pattern(const Node &node) {
        const Pattern &p = *node.pattern;
        auto index = [&](size_t operand, int64_t extent) {
            const Expr i = translate(node.operands[operand]).expr;
            return cast<int>(clamp(i, cast(i.type(), 0), cast(i.type(), int(extent - 1))));
        };
        const Expr head = index(0, p.heads), row = index(1, p.rows), column = index(2, p.columns);
        if (inputs_.pattern)
            return {inputs_.pattern(p, head, row, column), {}};
        const std::string name = "pattern_" + std::to_string(inputs_.tables->size());
        Buffer<uint8_t> &table = (*inputs_.tables)[&p];
        if (!table.defined()) {
            table = Buffer<uint8_t>(std::vector<int>{int(p.columns), int(p.rows), int(p.heads)}, name);
            std::copy(p.visible.begin(), p.visible.end(), table.data());
        }
        return {table(column, row, head) != cast<uint8_t>(0), {}};
    }

    /// Operands in a type that holds them and the result.
    Value integer_operation(const Node &node) {
        if (node.op == Op::floor)
            return integer(cast<int64_t>(floor(translate(node.operands[0]).expr)), any_i32);
        if (node.op == Op::select) {
            const Value a = translate(node.operands[1]), b = translate(node.operands[2]);
            const auto [x, y] = common(a, b, {});
            return integer(select(translate(node.operands[0]).expr, x, y), hull(a.bounds, b.bounds));
        }
        const Value a = translate(node.operands[0]);
        if (node.operands.size() == 1) {
            const Bounds negated = {-a.bounds.high, -a.bounds.low};
            const bool is_abs = node.op == Op::abs;
            const Bounds result = is_abs ? Bounds{0, std::max(a.bounds.high, negated.high)} : negated;
            const Expr x = wide(a, result);
            // Halide's abs is unsigned.
            return integer(is_abs ? select(x < 0, -x, x) : -x, result);
        }
        const Value b = translate(node.operands[1]);
        const Bounds result = integer_bounds(node.op, a.bounds, b.bounds);
        const auto [x, y] = common(a, b, result);
        switch (node.op) {
        case Op::add:
            return integer(x + y, result);
        case Op::subtract:
            return integer(x - y, result);
        case Op::multiply:
            return integer(x * y, result);
        case Op::divide:
            return integer(floor_divide(x, y, b.bounds), result);
        case Op::modulo:
            return integer(floor_modulo(x, y, b.bounds), result);
        case Op::min:
            return integer(min(x, y), result);
        case Op::max:
            return integer(max(x, y), result);
        default:
            throw internal_error("expression", "unknown integer operation");
        }
    }

    static Bounds hull(const Bounds &a, const Bounds &b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

    static Bounds integer_bounds(Op op, const Bounds &a, const Bounds &b) {
        switch (op) {
        case Op::add:
            return saturated(a.low + b.low, a.high + b.high);
        case Op::subtract:
            return saturated(a.low - b.high, a.high - b.low);
        case Op::min:
            return {std::min(a.low, b.low), std::min(a.high, b.high)};
        case Op::max:
            return {std::max(a.low, b.low), std::max(a.high, b.high)};
        case Op::modulo: {  // |a % b| < |b|, with the sign of b
            return {std::min<__int128>(b.low + 1, 0), std::max<__int128>(b.high - 1, 0)};
        }
        case Op::divide: {  // |a / b| <= |a|
            const __int128 largest = std::max(a.high < 0 ? -a.high : a.high, a.low < 0 ? -a.low : a.low);
            return {b.low >= 0 && a.low >= 0 ? 0 : -largest, largest};
        }
        default:
            break;
        }
        // Products of what fits 64 bits fit 128.
        const __int128 limit = __int128(1) << 62;
        auto product = [&](__int128 x, __int128 y) { return std::clamp(x, -limit, limit) * std::clamp(y, -limit, limit); };
        const __int128 p[] = {product(a.low, b.low), product(a.low, b.high), product(a.high, b.low), product(a.high, b.high)};
        return saturated(*std::min_element(p, p + 4), *std::max_element(p, p + 4));
    }

    /// As 64 bits unless value and result fit 32.
    static Expr wide(const Value &v, const Bounds &result) { return fits_32(v.bounds) && fits_32(result) ? v.expr : cast<int64_t>(v.expr); }
    static std::pair<Expr, Expr> common(const Value &a, const Value &b, const Bounds &result) {
        if (fits_32(a.bounds) && fits_32(b.bounds) && fits_32(result))
            return {a.expr, b.expr};
        return {cast<int64_t>(a.expr), cast<int64_t>(b.expr)};
    }

    /// Halide rounds towards what leaves a remainder >= 0, and gives 0 for a divisor of 0; the language floors.
    static Expr floor_divide(const Expr &x, const Expr &y, const Bounds &divisor) {
        return divisor.low >= 0 ? x / y : select(y < 0, (-x) / abs_of(y), x / y);
    }
    static Expr floor_modulo(const Expr &x, const Expr &y, const Bounds &divisor) {
        return divisor.low >= 0 ? x % y : select(y < 0, -((-x) % abs_of(y)), x % y);
    }
    static Expr abs_of(const Expr &y) { return select(y < 0, -y, y); }

    /// Booleans and reals.
    Value operation(const Node &node) {
        switch (node.op) {
        case Op::logical_not:
            return {!expr(node, 0), {}};
        case Op::logical_and:
            return {expr(node, 0) && expr(node, 1), {}};
        case Op::logical_or:
            return {expr(node, 0) || expr(node, 1), {}};
        case Op::less:
        case Op::less_equal:
        case Op::greater:
        case Op::greater_equal:
        case Op::equal:
        case Op::not_equal:
            return {comparison(node), {}};
        case Op::bit:
            return {bit(node), {}};
        case Op::select:
            return {select(expr(node, 0), expr(node, 1), expr(node, 2)), {}};
        case Op::to_real:
            return {cast<float>(expr(node, 0)), {}};
        case Op::negate:
            return {-expr(node, 0), {}};
        case Op::add:
            return {expr(node, 0) + expr(node, 1), {}};
        case Op::subtract:
            return {expr(node, 0) - expr(node, 1), {}};
        case Op::multiply:
            return {expr(node, 0) * expr(node, 1), {}};
        case Op::divide:
            return {expr(node, 0) / expr(node, 1), {}};
        case Op::min:
            return {min(expr(node, 0), expr(node, 1)), {}};
        case Op::max:
            return {max(expr(node, 0), expr(node, 1)), {}};
        case Op::abs:
            return {abs(expr(node, 0)), {}};
        case Op::exp:
            return {exp(expr(node, 0)), {}};
        case Op::exp2:
            return {exp(expr(node, 0) * 0.693147180559945f), {}};
        case Op::log:
            return {log(expr(node, 0)), {}};
        case Op::log2:
            return {log(expr(node, 0)) * 1.44269504088896f, {}};
        case Op::sqrt:
            return {sqrt(expr(node, 0)), {}};
        case Op::rsqrt:
            return {1.0f / sqrt(expr(node, 0)), {}};
        case Op::tanh:
            return {tanh_bounded(expr(node, 0)), {}};
        case Op::sigmoid:
            return {1.0f / (1.0f + exp(clamp(-expr(node, 0), -80.0f, 80.0f))), {}};
        default:
            throw internal_error("expression", "unknown operation");
        }
    }

    Expr expr(const Node &node, size_t operand) { return translate(node.operands[operand]).expr; }

    Expr comparison(const Node &node) {
        const Value a = translate(node.operands[0]), b = translate(node.operands[1]);
        auto compare = [&](const Expr &x, const Expr &y) {
            switch (node.op) {
            case Op::less:
                return x < y;
            case Op::less_equal:
                return x <= y;
            case Op::greater:
                return x > y;
            case Op::greater_equal:
                return x >= y;
            case Op::equal:
                return x == y;
            default:
                return x != y;
            }
        };
        if (without_helper(node.operands[0])->type != ExprType::integer)
            return compare(a.expr, b.expr);
        const auto [x, y] = common(a, b, {});
        return compare(x, y);
    }

    Expr bit(const Node &node) {
        const Value i = translate(node.operands[1]);
        const Expr word = cast<uint32_t>(cast<int>(expr(node, 0)));
        const Expr place = cast<uint32_t>(clamp(i.expr, cast(i.expr.type(), 0), cast(i.expr.type(), 31)));
        return i.expr >= 0 && i.expr <= 31 && cast<int>((word >> place) & cast<uint32_t>(1)) != 0;
    }

    const ExpressionInputs &inputs_;
    std::map<const Node *, Value> known_;
};

}  // namespace

Expr to_halide(const ExprPtr &root, const ExpressionInputs &inputs) {
    return Translator(inputs).translate(root).expr;
}

Expr stored_element(const Node &element, const ExpressionInputs &inputs, bool key_exists) {
    return Translator(inputs).stored(element, key_exists);
}

}  // namespace attune

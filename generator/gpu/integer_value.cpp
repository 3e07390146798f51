#include "generator/gpu/integer_value.h"

#include <algorithm>

namespace attune {

using namespace Halide::Internal;

namespace {

using Value = std::optional<int64_t>;

class Evaluator {
public:
    explicit Evaluator(const std::map<std::string, int64_t> &variables) : variables_(variables) {}

    Value of(const Halide::Expr &e) {
        if (const auto *n = e.as<IntImm>())
            return n->value;
        if (const auto *n = e.as<UIntImm>())
            return static_cast<int64_t>(n->value);
        if (const auto *n = e.as<Variable>()) {
            const auto found = variables_.find(n->name);
            return found == variables_.end() ? Value() : found->second;
        }
        if (const auto *n = e.as<Cast>())
            return n->type.is_int_or_uint() ? of(n->value) : Value();
        if (const auto *n = e.as<Select>()) {
            const Value condition = of(n->condition);
            return condition ? of(*condition ? n->true_value : n->false_value) : Value();
        }
        if (const auto *n = e.as<Not>()) {
            const Value a = of(n->a);
            return a ? Value(!*a) : Value();
        }
        if (const auto *n = e.as<Let>()) {
            auto inside = variables_;
            if (const Value value = of(n->value))
                inside[n->name] = *value;
            return Evaluator(inside).of(n->body);
        }
        // One operand may be enough.
        if (const auto *n = e.as<And>())
            return decided(of(n->a), of(n->b), 0);
        if (const auto *n = e.as<Or>())
            return decided(of(n->a), of(n->b), 1);
        return binary(e);
    }

private:
    static Value decided(const Value &a, const Value &b, int64_t deciding) {
        if ((a && (*a != 0) == deciding) || (b && (*b != 0) == deciding))
            return deciding;
        return a && b ? Value(1 - deciding) : Value();
    }
    template <typename Node, typename Function>
    bool is(const Halide::Expr &e, Value &result, const Function &function) {
        const auto *n = e.as<Node>();
        if (!n)
            return false;
        const Value a = of(n->a), b = of(n->b);
        result = a && b ? Value(function(*a, *b)) : Value();
        return true;
    }
    Value binary(const Halide::Expr &e) {
        using I = int64_t;
        auto floor_div = [](I a, I b) { return b == 0 ? 0 : a / b - (a % b != 0 && (a % b < 0) != (b < 0)); };
        Value v;
        if (is<Add>(e, v, [](I a, I b) { return a + b; }) || is<Sub>(e, v, [](I a, I b) { return a - b; }) ||
            is<Mul>(e, v, [](I a, I b) { return a * b; }) || is<Div>(e, v, floor_div) ||
            is<Mod>(e, v, [&](I a, I b) { return b == 0 ? 0 : a - floor_div(a, b) * b; }) ||
            is<Min>(e, v, [](I a, I b) { return std::min(a, b); }) || is<Max>(e, v, [](I a, I b) { return std::max(a, b); }) ||
            is<EQ>(e, v, [](I a, I b) { return a == b; }) || is<NE>(e, v, [](I a, I b) { return a != b; }) ||
            is<LT>(e, v, [](I a, I b) { return a < b; }) || is<LE>(e, v, [](I a, I b) { return a <= b; }) ||
            is<GT>(e, v, [](I a, I b) { return a > b; }) || is<GE>(e, v, [](I a, I b) { return a >= b; }))
            return v;
        return {};
    }

    const std::map<std::string, int64_t> &variables_;
};

}  // namespace

std::optional<int64_t> integer_value(const Halide::Expr &expression, const std::map<std::string, int64_t> &variables) {
    return Evaluator(variables).of(expression);
}

}  // namespace attune

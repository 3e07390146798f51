#include "generator/gpu/shader_lowering.h"
#include "generator/spec/error.h"

namespace attune {

using namespace Halide;
using namespace Halide::Internal;

namespace {

class LowerExp2 : public IRMutator {
    using IRMutator::visit;
    Expr visit(const Call *op) override {
        if (op->name != shader_exp2)
            return IRMutator::visit(op);
        return Call::make(op->type, "exp_f32", {mutate(op->args[0]) * make_const(op->type, 0.693147180559945309)}, Call::PureExtern);
    }
};

class NarrowIntegers : public IRMutator {
public:
    NarrowIntegers(std::string name, std::string key, std::string text)
        : name_(std::move(name)), key_(std::move(key)), text_(std::move(text)) {}

    using IRMutator::mutate;
    Expr mutate(const Expr &e) override {
        const Expr result = IRMutator::mutate(e);
        if (inside_ && result.defined() && is_wide(result.type()))
            refuse();
        return result;
    }

private:
    using IRMutator::visit;

    static bool is_wide(Type type) { return (type.is_int() || type.is_uint()) && type.bits() == 64; }

    /// The value in 32 bits, or undefined where they may not hold it.
    Expr narrowed(const Expr &e) {
        if (const Cast *cast = e.as<Cast>(); cast && cast->value.type().is_int() && cast->value.type().bits() <= 32)
            return Halide::cast(Int(32, e.type().lanes()), cast->value);
        if (const auto value = as_const_int(e); value && *value >= INT32_MIN && *value <= INT32_MAX)
            return make_const(Int(32, e.type().lanes()), *value);
        if (const Variable *variable = e.as<Variable>(); variable && narrow_.contains(variable->name))
            return Variable::make(Int(32, e.type().lanes()), variable->name);
        if (const Min *op = e.as<Min>())
            return both(op->a, op->b, [](const Expr &a, const Expr &b) { return min(a, b); });
        if (const Max *op = e.as<Max>())
            return both(op->a, op->b, [](const Expr &a, const Expr &b) { return max(a, b); });
        return {};
    }
    template <class Make>
    Expr both(const Expr &a, const Expr &b, Make make) {
        const Expr x = narrowed(a), y = narrowed(b);
        return x.defined() && y.defined() ? make(x, y) : Expr();
    }

    template <class LetOrStmt>
    auto visit_let(const LetOrStmt *op) {
        if (!inside_ || !is_wide(op->value.type()))
            return IRMutator::visit(op);
        const Expr value = narrowed(op->value);
        if (!value.defined())
            refuse();
        narrow_.push(op->name);
        auto body = mutate(op->body);
        narrow_.pop(op->name);
        return LetOrStmt::make(op->name, mutate(value), body);
    }
    Expr visit(const Let *op) override { return visit_let(op); }
    Stmt visit(const LetStmt *op) override { return visit_let(op); }
    Expr visit(const Cast *op) override {
        if (inside_ && op->type.bits() <= 32 && is_wide(op->value.type()))
            if (const Expr value = narrowed(op->value); value.defined())
                return cast(op->type, mutate(value));
        return IRMutator::visit(op);
    }
    Stmt visit(const For *op) override {
        const bool was_inside = inside_;
        inside_ = inside_ || is_gpu(op->for_type);
        const Stmt loop = IRMutator::visit(op);
        inside_ = was_inside;
        return loop;
    }

    [[noreturn]] void refuse() const {
        throw Error({.code = ErrorCode::target,
                     .argument = key_,
                     .value = text_,
                     .expected = "what 32-bit integers hold at all lengths, as kernels for " + name_ + " have no others",
                     .cure = "write numbers in place of parameters of type i32"});
    }

    const std::string name_, key_, text_;
    Scope<> narrow_;
    bool inside_ = false;  ///< a kernel
};

}  // namespace

void lower_for_shaders(Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new LowerExp2);
}

void narrow_integers(Pipeline &pipeline, const std::string &name, const std::string &key, const std::string &text) {
    pipeline.add_custom_lowering_pass(new NarrowIntegers(name, key, text));
}

}  // namespace attune

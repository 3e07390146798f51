#include "generator/gpu/spirv_lowering.h"

#include <map>

namespace attune {

using namespace Halide;
using namespace Halide::Internal;

namespace {

/// In a kernel: what its writer gets wrong.
class RewriteKernel : public IRMutator {
    using IRMutator::visit;

    Stmt visit(const For *op) override {
        if (is_gpu(op->for_type) || (is_const_zero(op->min) && is_const(op->extent)))
            return IRMutator::visit(op);
        const std::string turn = op->name + ".turn";
        const Stmt body = LetStmt::make(op->name, Variable::make(Int(32), turn) + mutate(op->min), mutate(op->body));
        return For::make(turn, 0, max(mutate(op->extent), 0), op->for_type, op->partition_policy, op->device_api, body);
    }
    Stmt visit(const IfThenElse *op) override {
        if (!is_const(op->condition))
            return IRMutator::visit(op);
        const Stmt taken = is_const_one(op->condition) ? op->then_case : op->else_case;
        return taken.defined() ? mutate(taken) : Evaluate::make(0);
    }
    Expr visit(const Shuffle *op) override {
        if (!op->is_interleave() || op->vectors.size() != 2)
            return IRMutator::visit(op);
        const Expr a = mutate(op->vectors[0]), b = mutate(op->vectors[1]);
        return Shuffle::make({a, b, Shuffle::make_extract_element(a, 0)}, op->indices);
    }
    Expr visit(const Div *op) override { return op->type.is_int() ? divided(mutate(op->a), mutate(op->b), false) : IRMutator::visit(op); }
    Expr visit(const Mod *op) override {
        const bool is_mask = is_const_power_of_two_integer(op->b).has_value();  // which it writes for those
        return op->type.is_int() && !is_mask ? divided(mutate(op->a), mutate(op->b), true) : IRMutator::visit(op);
    }
    Expr visit(const Cast *op) override {
        const Expr value = mutate(op->value);
        return op->type.is_bool() && !value.type().is_bool() ? value != make_zero(value.type()) : cast(op->type, value);
    }
    Expr visit(const Load *op) override {
        if (!op->type.is_bool() || !op->param.defined())
            return IRMutator::visit(op);
        const Type byte = UInt(8, op->type.lanes());
        const Expr index = mutate(op->index);
        return Load::make(byte, op->name, index, op->image, op->param, op->predicate, op->alignment) != make_zero(byte);
    }
    Expr visit(const Call *op) override {
        if (op->is_intrinsic(Call::shift_right) && op->type.is_int() && op->args[1].type().is_uint()) {
            const Type bits = op->type.with_code(halide_type_uint);
            const Expr a = reinterpret(bits, mutate(op->args[0])), by = mutate(op->args[1]);
            return reinterpret(op->type, select(reinterpret(op->type, a) < make_zero(op->type), ~(~a >> by), a >> by));
        }
        return IRMutator::visit(op);
    }
    /// a / b or a % b as Halide has them: the remainder is not negative, and with b = 0 both are 0. The writer must not see that b is a constant, or
    /// it makes shifts of the quotient.
    static Expr divided(const Expr &dividend, const Expr &divisor, bool is_remainder) {
        const Type type = dividend.type();
        const std::string names[] = {unique_name("dividend"), unique_name("divisor"), unique_name("quotient")};
        const Expr a = Variable::make(type, names[0]), b = Variable::make(type, names[1]), quotient = Variable::make(type, names[2]);
        const Expr zero = make_zero(type), one = make_one(type);
        const bool is_positive = is_positive_const(divisor);
        const Expr up = is_positive ? one : select(b > zero, one, -one);
        Expr result = can_prove(dividend >= zero) ? quotient : quotient - select(a - quotient * b < zero, up, zero);
        result = is_remainder ? a - result * b : result;
        if (!is_positive)
            result = select(divisor == zero, zero, result);
        result = Let::make(names[2], Call::make(type, Call::div_round_to_zero, {a, b}, Call::PureIntrinsic), result);
        result = Let::make(names[1], is_positive ? divisor : select(divisor == zero, one, divisor), result);
        return Let::make(names[0], dividend, result);
    }
};

/// In a kernel: what it takes from outside, with a word in the place of each.
class TakeWords : public IRMutator {
public:
    std::map<std::string, Type> taken;

    static std::string word_of(const std::string &name) { return name + ".word"; }

private:
    using IRMutator::visit;
    Scope<> inside_;

    template <typename Let>
    auto visit_let(const Let *op) {
        const Expr value = mutate(op->value);
        ScopedBinding<> bind(inside_, op->name);
        return Let::make(op->name, value, mutate(op->body));
    }
    Expr visit(const Let *op) override { return visit_let(op); }
    Stmt visit(const LetStmt *op) override { return visit_let(op); }
    Stmt visit(const For *op) override {
        const Expr min = mutate(op->min), extent = mutate(op->extent);
        ScopedBinding<> bind(inside_, op->name);
        return For::make(op->name, min, extent, op->for_type, op->partition_policy, op->device_api, mutate(op->body));
    }
    Expr visit(const Variable *op) override {
        const Type type = op->type;
        if (!type.is_scalar() || !(type.is_int() || type.is_uint()) || type.bits() >= 32 || inside_.contains(op->name))
            return op;
        taken[op->name] = type;
        const Expr word = Variable::make(Int(32), word_of(op->name));
        return type.is_bool() ? word != 0 : cast(type, word);
    }
};

class LowerForSpirv : public IRMutator {
    using IRMutator::visit;

    Stmt visit(const For *op) override {
        if (!is_gpu(op->for_type))
            return IRMutator::visit(op);
        TakeWords words;
        Stmt kernel = words.mutate(RewriteKernel().mutate(Stmt(op)));
        for (const auto &[name, type] : words.taken) {
            const Expr value = Variable::make(type, name);
            kernel = LetStmt::make(TakeWords::word_of(name), type.is_bool() ? select(value, 1, 0) : cast<int>(value), kernel);
        }
        return kernel;
    }
};

}  // namespace

void lower_for_spirv(Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new LowerForSpirv);
}

}  // namespace attune

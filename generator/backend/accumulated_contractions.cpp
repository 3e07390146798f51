#include "generator/backend/accumulated_contractions.h"

#include "generator/backend/loop_nest.h"
#include "generator/backend/tile_contractions.h"

#include <algorithm>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;
using namespace contraction;

/// What is inside definitions, producers and consumers, and conditions, which are put together.
struct Inside {
    Stmt body;
    Definitions lets;
    Expr condition = const_true();
    bool is_filled = false;

    /// `filled`: a buffer whose zero fills in front are passed over.
    explicit Inside(Stmt s, const std::string &filled = "") : body(std::move(s)) {
        while (true) {
            const auto *test = body.as<IfThenElse>();
            const auto *block = body.as<Block>();
            if (block && !filled.empty() && is_zero_fill(block->first, filled)) {
                is_filled = true;
                body = block->rest;
                continue;
            }
            if (const auto *let = body.as<LetStmt>()) {
                lets.emplace_back(let->name, let->value);
                body = let->body;
            } else if (const auto *part = body.as<ProducerConsumer>()) {
                body = part->body;
            } else if (test && !test->else_case.defined()) {
                condition = condition && test->condition;
                body = test->then_case;
            } else {
                return;
            }
        }
    }

    Expr inlined(const Expr &e) const { return attune::inlined(lets, e); }
};

/// The sums that a nest of vectors adds `terms` to, both rows of as many columns; undefined base where it does something else.
struct Sums {
    std::string buffer;
    StridedAccess access;
};

Sums sums_of(const LoopNest &nest, const std::string &terms, int64_t row_stride) {
    const auto *add = nest.store && nest.loops.size() == 2 ? nest.store->value.as<Add>() : nullptr;
    const auto *first = add ? add->a.as<Load>() : nullptr, *second = add ? add->b.as<Load>() : nullptr;
    if (!first || !second)
        return {};
    const Load *term = first->name == terms ? first : second, *sum = term == first ? second : first;
    if (term->name != terms || sum->name != nest.store->name || !equal(sum->index, nest.store->index))
        return {};
    const StridedAccess from = strided_access(nest, term->index), to = strided_access(nest, sum->index);
    const auto is_same = [](const Expr &x, const Expr &y) { return is_const_zero(simplify(x - y)); };
    if (!from.base.defined() || !to.base.defined() || !is_const_zero(from.base) || !is_const(from.strides[0], row_stride) ||
        !is_same(from.strides[0], to.strides[0]) || !is_same(from.strides[1], to.strides[1]))
        return {};
    return {nest.store->name, to};
}

Stmt only_if(const Expr &condition, const Stmt &s) {
    return is_const_one(condition) ? s : IfThenElse::make(condition, s);
}

class Accumulate : public IRMutator {
    using IRMutator::visit;

    /// t = contract(…);  c += t
    Stmt visit(const Allocate *op) override {
        const Stmt mutated = IRMutator::visit(op);
        const auto *allocate = mutated.as<Allocate>();
        const auto *block = allocate->body.as<Block>();
        const auto *rest = block ? block->rest.as<Block>() : nullptr;  // the consumer, and what frees t
        if (!rest || !rest->rest.as<Free>())
            return mutated;
        const Inside producer(block->first, op->name), consumer(rest->first);
        const Call *call = contraction_of(producer.body);
        if (!call || call->args[c].as<Variable>()->name != op->name || !(producer.is_filled || is_const_one(call->args[from_zero])))
            return mutated;
        LoopNest nest = loop_nest_of(consumer.body);
        nest.lets.insert(nest.lets.begin(), consumer.lets.begin(), consumer.lets.end());
        const int bytes = op->type.bytes();
        const auto stride = as_const_int(call->args[c_stride]);
        const Sums sums = sums_of(nest, op->name, stride ? *stride / bytes : 0);
        if (!sums.access.base.defined())
            return mutated;
        std::vector<Expr> arguments = call->args;
        for (Expr &argument : arguments)
            argument = producer.inlined(argument);
        arguments[c] = Variable::make(Halide::type_of<void *>(), sums.buffer);
        arguments[c_offset] = simplify(sums.access.base * bytes);
        arguments[from_zero] = 0;
        Stmt accumulated = contraction_call(*call, arguments);
        if (producer.is_filled)  // else t is there wherever it is read
            accumulated = only_if(producer.inlined(producer.condition), accumulated);
        return only_if(consumer.inlined(consumer.condition), accumulated);
    }

    /// for block: c[block] = contract(a[block], b);  for step: c += contract(a[step], b[step])
    Stmt visit(const For *op) override {
        const Stmt mutated = IRMutator::visit(op);
        const auto *loop = mutated.as<For>();
        const Inside inside(loop ? loop->body : mutated);
        const Call *call = contraction_of(inside.body);
        if (!loop || !call || loop->for_type != ForType::Serial)
            return mutated;
        auto uses_loop = [&](const Expr &e) { return expr_uses_var(e, loop->name); };
        Expr first = loop->min, condition = inside.inlined(inside.condition);
        // A condition that some of the first turns do not meet.
        if (const auto *bound = condition.as<LE>(); bound && bound->b.as<Variable>() && uses_loop(bound->b) && !uses_loop(bound->a)) {
            first = simplify(max(first, bound->a));
            condition = first < loop->min + loop->extent;
        }
        const Expr turns = simplify(loop->min + loop->extent - first);
        LoopNest nest;
        const Stmt from_first = For::make(loop->name, first, turns, loop->for_type, loop->partition_policy, loop->device_api, loop->body);
        nest.loops = {from_first.as<For>()};
        nest.lets = inside.lets;
        std::vector<Expr> arguments;
        for (const Expr &argument : call->args)
            arguments.push_back(inside.inlined(argument));
        // Whether an offset goes up by that much a turn; if so, it becomes that of the first turn.
        auto goes_by = [&](Argument offset, const Expr &bytes) {
            const StridedAccess access = strided_access(nest, call->args[offset]);
            if (!is_const_zero(simplify(access.strides[0] - bytes)))
                return false;
            arguments[offset] = access.base;
            return true;
        };
        constexpr int step_bytes = 4;  // a pair, a quad
        if (goes_by(c_offset, arguments[rows] * arguments[c_stride]) && goes_by(a_offset, arguments[rows] * arguments[a_stride]))
            arguments[rows] = simplify(arguments[rows] * turns);
        else if (goes_by(c_offset, 0) && is_const_zero(arguments[from_zero]) && goes_by(a_offset, arguments[steps] * step_bytes) &&
                 goes_by(b_offset, arguments[steps] * arguments[b_stride]))
            arguments[steps] = simplify(arguments[steps] * turns);
        else
            return mutated;
        if (!as_const_int(arguments[rows]) || uses_loop(condition) || std::any_of(arguments.begin(), arguments.end(), uses_loop))
            return mutated;
        return only_if(condition, contraction_call(*call, arguments));
    }
};

}  // namespace

void accumulate_contractions(Halide::Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new Accumulate);
}

}  // namespace attune

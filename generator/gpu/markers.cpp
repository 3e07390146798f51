#include "generator/gpu/markers.h"
#include "generator/gpu/enclosing_lets.h"
#include "generator/spec/error.h"

namespace attune {

using namespace Halide;
using namespace Halide::Internal;

namespace {

constexpr const char *turns_name = "attune_loop_turns", *stored_name = "attune_stored_too", *after_name = "attune_after",
                     *where_name = "attune_only_where", *later_name = "attune_stored_later", *positions_stride = "attune_positions_stride";

Expr marker(const Type &type, const char *name, const std::vector<Expr> &arguments) {
    return Call::make(type, name, arguments, Call::PureExtern);
}

[[noreturn]] void fail(const char *name, const std::string &what) {
    throw internal_error(name, what);
}

/// Takes the turns out of a loop's body, not of loops inside it, with what the body defines put in their place.
class TakeTurns : public EnclosingLets {
public:
    Expr first, end, condition;

private:
    using EnclosingLets::visit;

    Stmt visit(const For *op) override { return op; }
    Expr visit(const Call *op) override {
        if (op->name != turns_name)
            return EnclosingLets::visit(op);
        first = expanded(op->args[0]);
        end = expanded(op->args[1]);
        condition = expanded(op->args[2]);
        return const_true();
    }
};

class LowerMarkers : public IRMutator {
public:
    std::string later_output;  ///< stored_later's

private:
    using IRMutator::visit;

    Stmt visit(const For *op) override {
        TakeTurns turns;
        const Stmt body = turns.mutate(op->body);
        if (!turns.first.defined())
            return IRMutator::visit(op);
        const Expr first = max(op->min, turns.first), end = min(op->min + op->extent, turns.end);
        const Stmt conditional = IfThenElse::make(turns.condition, simplify(body));
        return mutate(For::make(op->name, first, end - first, op->for_type, op->partition_policy, op->device_api, conditional));
    }
    Expr visit(const Call *op) override {
        if (op->name == after_name)
            return mutate(op->args[0]);
        if (op->name == turns_name)
            fail(turns_name, "turns that stand in no loop");
        return IRMutator::visit(op);
    }
    Stmt visit(const Store *op) override {
        if (const Let *let = op->value.as<Let>())
            return mutate(
                LetStmt::make(let->name, let->value, Store::make(op->name, let->body, op->index, op->param, op->predicate, op->alignment)));
        const Call *call = op->value.as<Call>();
        if (call && call->name == later_name)
            return store_later(op, *call);
        if (call && call->name == where_name)
            return mutate(
                IfThenElse::make(call->args[0], Store::make(op->name, call->args[1], op->index, op->param, op->predicate, op->alignment)));
        if (!call || call->name != stored_name)
            return IRMutator::visit(op);
        const Load *element = call->args[1].as<Load>();
        if (!element)
            fail(stored_name, "an element that is no load");
        // Its value goes to both: what reads the first waits for it.
        const Stmt first = Store::make(op->name, mutate(call->args[0]), mutate(op->index), op->param, op->predicate, op->alignment);
        const Stmt second = Store::make(element->name, mutate(call->args[0]), mutate(element->index), element->param, const_true(), {});
        return Block::make(first, IfThenElse::make(mutate(call->args[2]), second));
    }
    Stmt store_later(const Store *op, const Call &call) {
        if (!later_output.empty() && later_output != op->name)
            fail(later_name, "a second output");
        later_output = op->name;
        const Expr positions = mutate(scalar(call.args[1])), condition = mutate(scalar(call.args[2]));
        Expr shift = positions * Internal::Variable::make(Int(32), positions_stride);
        if (op->index.type().is_vector())
            shift = Broadcast::make(shift, op->index.type().lanes());
        return IfThenElse::make(
            condition, Store::make(op->name, mutate(call.args[0]), mutate(op->index) + shift, op->param, op->predicate, op->alignment));
    }
    /// Of what is the same in all lanes.
    static Expr scalar(const Expr &e) {
        const Broadcast *broadcast = e.as<Broadcast>();
        if (!broadcast && e.type().is_vector())
            fail(later_name, "several positions in one store");
        return broadcast ? broadcast->value : e;
    }
};

class LowerAllMarkers : public IRMutator {
public:
    explicit LowerAllMarkers(int positions_dimension) : positions_dimension_(positions_dimension) {}

    using IRMutator::mutate;
    Stmt mutate(const Stmt &pipeline) override {
        LowerMarkers markers;
        const Stmt lowered = markers.mutate(pipeline);
        if (markers.later_output.empty())
            return lowered;
        // Halide's own name for the stride may have gone where it was read once.
        const Expr buffer = Internal::Variable::make(type_of<halide_buffer_t *>(), markers.later_output + ".buffer");
        const Expr stride = Call::make(Int(32), Call::buffer_get_stride, {buffer, positions_dimension_}, Call::Extern);
        return LetStmt::make(positions_stride, stride, lowered);
    }

private:
    const int positions_dimension_;
};

}  // namespace

Expr loop_turns(const Expr &variable, const Expr &first, const Expr &end, const Expr &condition) {
    return marker(Bool(), turns_name, {first, end, condition, variable});  // the variable holds the condition inside its loop
}

Expr stored_too(const Expr &value, const Expr &element, const Expr &condition) {
    return marker(value.type(), stored_name, {value, element, condition});
}

Expr stored_later(const Expr &value, const Expr &positions, const Expr &condition) {
    return marker(value.type(), later_name, {value, positions, condition});
}

Expr only_where(const Expr &condition, const Expr &value) {
    return marker(value.type(), where_name, {condition, value});
}

Expr after(const Expr &value, const Expr &dependence) {
    return marker(value.type(), after_name, {value, dependence});
}

void lower_markers(Pipeline &pipeline, int positions_dimension) {
    pipeline.add_custom_lowering_pass(new LowerAllMarkers(positions_dimension));
}

}  // namespace attune

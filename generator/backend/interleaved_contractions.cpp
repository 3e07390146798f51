#include "generator/backend/interleaved_contractions.h"

#include "generator/algorithm/machine_operations.h"

#include <map>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;

constexpr int lead_rows = 32, slice_rows = 16, slice_columns = 32, element_bytes = 4;

/// Arguments of a contraction (machine_operations.h).
enum { c_offset = 1, c_stride, a = 3, a_offset, a_stride, b = 6, b_offset, b_stride, rows, columns };

const Call *contraction_of(const Evaluate *op) {
    const auto *call = op->value.as<Call>();
    return call && (call->name == contract_bf16_name || call->name == contract_i8_name) ? call : nullptr;
}

int64_t constant(const Expr &e) {
    const auto value = as_const_int(e);
    return value ? *value : 0;
}

/// What becomes of one contraction and its consumer.
struct Interleaving {
    const Call *whole = nullptr;
    const For *loop = nullptr;

    int64_t slices_across() const { return constant(whole->args[columns]) / slice_columns; }
    int64_t slices() const { return (constant(whole->args[rows]) - lead_rows) / slice_rows * slices_across(); }
    /// Iterations of the loop behind each slice, as many as its elements are of a row's; 0 where that is no whole number.
    int64_t iterations() const {
        if (!whole || !loop || !is_const_zero(loop->min) || loop->for_type != ForType::Serial)
            return 0;
        const int64_t count = constant(loop->extent), all_rows = constant(whole->args[rows]);
        if (count == 0 || all_rows % count != 0 || all_rows <= lead_rows || constant(whole->args[columns]) % slice_columns != 0)
            return 0;
        const int64_t behind = (all_rows - lead_rows) / (all_rows / count);
        return behind % slices() == 0 ? behind / slices() : 0;
    }

    Stmt lead() const {
        std::vector<Expr> arguments = whole->args;
        arguments[rows] = lead_rows;
        return call(arguments);
    }
    Stmt slice(const Expr &t) const {
        std::vector<Expr> arguments = whole->args;
        const int across = static_cast<int>(slices_across());
        const Expr row = lead_rows + t / across * slice_rows, column = t % across * slice_columns;
        arguments[c_offset] = simplify(arguments[c_offset] + row * arguments[c_stride] + column * element_bytes);
        arguments[a_offset] = simplify(arguments[a_offset] + row * arguments[a_stride]);
        arguments[b_offset] = simplify(arguments[b_offset] + column * element_bytes);
        arguments[rows] = slice_rows;
        arguments[columns] = slice_columns;
        return call(arguments);
    }
    Stmt interleaved() const {
        const int each = static_cast<int>(iterations()), count = static_cast<int>(slices());
        const std::string t = loop->name + ".slice";
        const Expr slice_index = Variable::make(Halide::Int(32), t);
        auto part = [&](const std::string &suffix, const Expr &begin, const Expr &extent) {
            const std::string name = loop->name + suffix;
            const Stmt body = substitute(loop->name, begin + Variable::make(Halide::Int(32), name), loop->body);
            return For::make(name, 0, extent, ForType::Serial, loop->partition_policy, loop->device_api, body);
        };
        const Stmt beside = Block::make(slice(slice_index), part(".beside", slice_index * each, each));
        const Stmt slices = For::make(t, 0, count, ForType::Serial, loop->partition_policy, loop->device_api, beside);
        return Block::make(slices, part(".after", count * each, loop->extent - count * each));
    }

private:
    Stmt call(const std::vector<Expr> &arguments) const {
        return Evaluate::make(Call::make(whole->type, whole->name, arguments, whole->call_type));
    }
};

/// By the buffer that the contraction writes.
using Interleavings = std::map<std::string, Interleaving>;

class Find : public IRVisitor {
public:
    Interleavings found;

private:
    using IRVisitor::visit;
    void visit(const Evaluate *op) override {
        if (const Call *call = contraction_of(op))
            found[call->args[0].as<Variable>()->name].whole = call;
    }
    void visit(const ProducerConsumer *op) override {
        Stmt body = op->body;
        while (const auto *let = body.as<LetStmt>())
            body = let->body;
        if (!op->is_producer && body.as<For>())
            found[op->name].loop = body.as<For>();
        IRVisitor::visit(op);
    }
};

class Interleave : public IRMutator {
public:
    explicit Interleave(Interleavings interleavings) : interleavings_(std::move(interleavings)) {}

private:
    using IRMutator::visit;
    Stmt visit(const Evaluate *op) override {
        const Call *call = contraction_of(op);
        for (const auto &[buffer, interleaving] : interleavings_)
            if (call && interleaving.whole == call)
                return interleaving.lead();
        return op;
    }
    Stmt visit(const For *op) override {
        for (const auto &[buffer, interleaving] : interleavings_)
            if (interleaving.loop == op)
                return interleaving.interleaved();
        return IRMutator::visit(op);
    }

    Interleavings interleavings_;
};

class Pass : public IRMutator {
public:
    using IRMutator::mutate;
    Stmt mutate(const Stmt &s) override {
        Find find;
        s.accept(&find);
        std::erase_if(find.found, [](const auto &entry) { return entry.second.iterations() == 0; });
        return Interleave(std::move(find.found)).mutate(s);
    }
};

}  // namespace

void interleave_contractions(Halide::Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new Pass);
}

}  // namespace attune

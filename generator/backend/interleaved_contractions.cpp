#include "generator/backend/interleaved_contractions.h"

#include "generator/algorithm/machine_operations.h"
#include "generator/backend/tile_contractions.h"

#include <map>
#include <numeric>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;
using namespace contraction;

constexpr int lead_rows = 32, slice_rows = 32, slice_columns = 32, element_bytes = 4;

int64_t constant(const Expr &e) {
    const auto value = as_const_int(e);
    return value ? *value : 0;
}

/// Iterations that read one buffer modulo `iterations`.
class FoldLoads : public IRMutator {
public:
    FoldLoads(std::string buffer, std::string variable, int iterations)
        : buffer_(std::move(buffer)), variable_(std::move(variable)), iterations_(iterations) {}

private:
    using IRMutator::visit;
    Expr visit(const Load *op) override {
        if (op->name != buffer_)
            return IRMutator::visit(op);
        const Expr folded = Variable::make(Halide::Int(32), variable_) % iterations_;
        return Load::make(op->type, op->name, substitute(variable_, folded, op->index), op->image, op->param, op->predicate, op->alignment);
    }

    std::string buffer_, variable_;
    int iterations_;
};

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

    /// Rows that the buffer keeps: those that are read, and those that come meanwhile.
    static constexpr int kept_rows = lead_rows + slice_rows;
    bool folds() const { return constant(whole->args[rows]) > kept_rows; }

    Stmt lead() const {
        std::vector<Expr> arguments = whole->args;
        arguments[rows] = lead_rows;
        return contraction_call(*whole, arguments);
    }
    /// Parts of a slice, with iterations behind each: a step of 4 products.
    int parts() const {
        const auto depth = constant(whole->args[steps]) / matrix_tile_edge;
        return static_cast<int>(std::gcd(depth, iterations()));
    }
    Stmt slice(const Expr &t, int index) const {
        std::vector<Expr> arguments = whole->args;
        const int across = static_cast<int>(slices_across());
        const Expr row = lead_rows + t / across * slice_rows, column = t % across * slice_columns;
        const Expr kept = folds() ? row % kept_rows : row;
        arguments[c_offset] = simplify(arguments[c_offset] + kept * arguments[c_stride] + column * element_bytes);
        arguments[a_offset] = simplify(arguments[a_offset] + row * arguments[a_stride]);
        arguments[b_offset] = simplify(arguments[b_offset] + column * element_bytes);
        arguments[rows] = slice_rows;
        arguments[columns] = slice_columns;
        arguments[part] = index;
        arguments[contraction::parts] = parts();
        return contraction_call(*whole, arguments);
    }
    Stmt folded_body() const {
        if (!folds())
            return loop->body;
        const auto rows_of_iteration = constant(whole->args[rows]) / constant(loop->extent);
        return FoldLoads(whole->args[0].as<Variable>()->name, loop->name, static_cast<int>(kept_rows / rows_of_iteration))
            .mutate(loop->body);
    }
    Stmt interleaved() const {
        const int each = static_cast<int>(iterations()), count = static_cast<int>(slices());
        const std::string t = loop->name + ".slice";
        const Expr slice_index = Variable::make(Halide::Int(32), t);
        auto some = [&](const std::string &suffix, const Expr &begin, const Expr &extent) {
            const std::string name = loop->name + suffix;
            const Stmt body = substitute(loop->name, begin + Variable::make(Halide::Int(32), name), folded_body());
            return For::make(name, 0, extent, ForType::Serial, loop->partition_policy, loop->device_api, body);
        };
        const int behind = each / parts();
        std::vector<Stmt> turn;
        for (int i = 0; i < parts(); i++) {
            turn.push_back(slice(slice_index, i));
            turn.push_back(some(".beside" + std::to_string(i), slice_index * each + i * behind, behind));
        }
        const Stmt slices = For::make(t, 0, count, ForType::Serial, loop->partition_policy, loop->device_api, Block::make(turn));
        return Block::make(slices, some(".after", count * each, loop->extent - count * each));
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
    Stmt visit(const Allocate *op) override {
        const auto found = interleavings_.find(op->name);
        if (found == interleavings_.end() || !found->second.folds())
            return IRMutator::visit(op);
        const Expr elements = simplify(found->second.whole->args[c_stride] / op->type.bytes() * Interleaving::kept_rows);
        return Allocate::make(op->name, op->type, op->memory_type, {elements}, op->condition, mutate(op->body), op->new_expr,
                              op->free_function, op->padding);
    }
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

#include "generator/backend/ask_for_weights.h"

#include <regex>

namespace attune {

namespace {

using namespace Halide::Internal;
using Halide::Expr;

constexpr int line_bytes = 64;
/// Rows from which a panel's lines fit the turns of its tiles: fewer tiles ask for a part, and the processor's prefetcher finds the rest.
constexpr int fewest_rows = 12;

/// part.s1.t, or of a later pipeline of this process part$2.s1.t$5.
bool is_loop(const std::string &name, const std::string &stage, const std::string &variable) {
    return std::regex_match(name, std::regex(stage + "(\\$[0-9]+)?\\.s1\\." + variable + "([$.].*)?"));
}

class AskForWeights : public IRMutator {
public:
    AskForWeights(const ProjectionTask &task)
        : type_(task.args.weights.type()), shape_(task.shape), panels_(shape_.panels(task.spec.out_features)),
          chunks_(shape_.chunks(task.spec.in_features)) {}

private:
    const Halide::Type type_;
    const ProjectionShape shape_;
    const int panels_, chunks_;
    /// Of the loops around, as schedules/cpu_projection.cpp orders them; a loop of one turn may be gone.
    struct Turn {
        Expr index = 0, count = 1;
    } chunk_, panel_, tile_;

    using IRMutator::visit;

    Stmt visit(const For *op) override {
        const Turn turn{Halide::Internal::Variable::make(Halide::Int(32), op->name) - op->min, op->extent};
        if (is_loop(op->name, "part", "over_steps"))
            return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api,
                             Block::make(ask(turn), op->body));
        Turn unknown, &around = is_loop(op->name, "sum", "over_chunks") ? chunk_
                                : is_loop(op->name, "sum", "p")         ? panel_
                                : is_loop(op->name, "sum", "t")         ? tile_
                                                                        : unknown;
        const Turn before = around;
        around = turn;
        const Stmt loop = IRMutator::visit(op);
        around = before;
        return loop;
    }

    /// Lines of the next piece, spread over the turns of all tiles. Behind the last piece of a task comes the first of the next.
    Stmt ask(const Turn &turn) const {
        const int line = line_bytes / type_.bytes(), piece = shape_.panel * shape_.steps(), lines = (piece + line - 1) / line;
        const int turns = static_cast<int>(as_const_int(turn.count).value_or(1));
        const int at_once = std::max(1, (lines * shape_.tile_rows + fewest_rows * turns - 1) / (fewest_rows * turns));
        const Expr is_last_panel = panel_.index + 1 >= panel_.count, is_last_chunk = chunk_.index + 1 >= chunks_;
        const Expr next = select(!is_last_panel, chunk_.index * panels_ + panel_.index + 1, is_last_chunk, panel_.index + 1,
                                 (chunk_.index + 1) * panels_);
        const Expr first = (turn.index * tile_.count + tile_.index) * at_once;
        std::vector<Stmt> asks;
        for (int i = 0; i < at_once; i++)
            asks.push_back(Evaluate::make(
                Call::make(type_, Call::prefetch,
                           {Halide::Internal::Variable::make(Halide::Handle(), "weights"), next * piece + (first + i) * line, 1, 1},
                           Call::Intrinsic)));
        return IfThenElse::make(first < lines, Block::make(asks));
    }
};

}  // namespace

void ask_for_weights(Halide::Pipeline &pipeline, const ProjectionTask &task) {
    pipeline.add_custom_lowering_pass(new AskForWeights(task));
}

}  // namespace attune

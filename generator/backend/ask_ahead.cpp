#include "generator/backend/ask_ahead.h"

#include "schedules/visit_loop.h"

namespace attune {

namespace {

using namespace Halide::Internal;

class AskAhead : public IRMutator {
    using IRMutator::visit;

    Stmt visit(const For *op) override {
        const Stmt inner = mutate(op->body);
        if (op->name.find(std::string(".") + visit_loop) == std::string::npos)
            return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api, inner);
        const Halide::Expr scratch = Halide::Internal::Variable::make(Halide::type_of<void *>(), "__user_context");
        const Stmt ask = Evaluate::make(Call::make(Halide::Int(32), "attune_ask_ahead", {scratch}, Call::Extern));
        return For::make(op->name, op->min, op->extent, op->for_type, op->partition_policy, op->device_api, Block::make(ask, inner));
    }
};

}  // namespace

void ask_ahead(Halide::Pipeline &pipeline) {
    pipeline.add_custom_lowering_pass(new AskAhead);
}

}  // namespace attune

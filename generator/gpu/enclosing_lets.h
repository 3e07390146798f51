#pragma once
#include "Halide.h"

#include <string>
#include <utility>
#include <vector>

namespace attune {

/// A mutator that knows what the names around a place stand for.
class EnclosingLets : public Halide::Internal::IRMutator {
private:
    template <typename Let>
    auto visit_let(const Let *op) {
        const Halide::Expr value = mutate(op->value);
        lets_.emplace_back(op->name, op->value);
        const auto body = mutate(op->body);
        lets_.pop_back();
        return Let::make(op->name, value, body);
    }

    std::vector<std::pair<std::string, Halide::Expr>> lets_;

protected:
    using IRMutator::visit;

    /// With what the enclosing lets define put in place of their names.
    Halide::Expr expanded(Halide::Expr e) const {
        for (auto let = lets_.rbegin(); let != lets_.rend(); ++let)
            if (Halide::Internal::expr_uses_var(e, let->first))
                e = Halide::Internal::substitute(let->first, let->second, e);
        return e;
    }
    Halide::Expr visit(const Halide::Internal::Let *op) override { return visit_let(op); }
    Halide::Internal::Stmt visit(const Halide::Internal::LetStmt *op) override { return visit_let(op); }
};

}  // namespace attune

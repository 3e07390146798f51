#include "generator/backend/loop_nest.h"

namespace attune {

using namespace Halide::Internal;
using Halide::Expr;

Expr inlined(const Definitions &lets, Expr e) {
    for (auto let = lets.rbegin(); let != lets.rend(); ++let)
        e = substitute(let->first, let->second, e);
    return simplify(e);
}

LoopNest loop_nest_of(Stmt s) {
    LoopNest nest;
    while (true) {
        if (const auto *let = s.as<LetStmt>()) {
            nest.lets.emplace_back(let->name, let->value);
            s = let->body;
        } else if (const auto *loop = s.as<For>()) {
            nest.loops.push_back(loop);
            s = loop->body;
        } else {
            nest.store = s.as<Store>();
            return nest;
        }
    }
}

StridedAccess strided_access(const LoopNest &nest, const Expr &index) {
    const auto *ramp = index.as<Ramp>();
    if (ramp ? !is_const_one(ramp->stride) : !index.type().is_scalar())
        return {};
    StridedAccess access{inlined(nest.lets, ramp ? ramp->base : index), {}};
    for (const For *loop : nest.loops) {
        const Expr next = substitute(loop->name, Variable::make(Halide::Int(32), loop->name) + 1, access.base);
        access.strides.push_back(simplify(next - access.base));
        access.base = simplify(substitute(loop->name, loop->min, access.base));
    }
    return access;
}

}  // namespace attune

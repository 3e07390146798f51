#pragma once
#include "Halide.h"

#include <string>
#include <utility>
#include <vector>

namespace attune {

using Definitions = std::vector<std::pair<std::string, Halide::Expr>>;  ///< lets, outermost first

/// With what was defined put in.
Halide::Expr inlined(const Definitions &lets, Halide::Expr e);

/// A loop nest around one store, with what was defined on the way.
struct LoopNest {
    std::vector<const Halide::Internal::For *> loops;  ///< outermost first
    const Halide::Internal::Store *store = nullptr;    ///< null: there is something else inside
    Definitions lets;
};

LoopNest loop_nest_of(Halide::Internal::Stmt s);

/// Elements at base + stride * loop variable + …, a stride for each loop; of a vector its first element, whose others follow.
struct StridedAccess {
    Halide::Expr base;
    std::vector<Halide::Expr> strides;
};

/// Undefined base: a vector whose elements do not lie side by side.
StridedAccess strided_access(const LoopNest &nest, const Halide::Expr &index);

}  // namespace attune

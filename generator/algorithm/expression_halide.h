#pragma once
#include "Halide.h"
#include "generator/spec/expression.h"

#include <functional>
#include <map>
#include <vector>

namespace attune {

/// Constant patterns as tables of the object.
using PatternTables = std::map<const Pattern *, Halide::Buffer<uint8_t>>;

/// What a kernel's expressions read: a Halide expression for each variable, the parameters, and what is known of the call.
struct ExpressionInputs {
    std::map<Variable, Halide::Expr> variables;  ///< Int(32), s Float(32); q_abs is made from q and the lengths where it is missing
    const std::vector<ParamDeclaration> *params = nullptr;
    const std::vector<Halide::Parameter> *param_values = nullptr;  ///< of the same order: scalars and buffers
    PatternTables *tables = nullptr;                               ///< shared by the expressions of a pipeline
    std::function<Halide::Expr(const Node &element)> staged = {};  ///< an element that was read beforehand; undefined: it was not
    /// Whether a block of a pattern is visible, its indices inside; empty: they are read from `tables`.
    std::function<Halide::Expr(const Pattern &pattern, const Halide::Expr &head, const Halide::Expr &row, const Halide::Expr &column)>
        pattern = {};
};

/// The expression in Halide: Bool, Int(32) or Int(64), Float(32). Integers take 32 bits where the intervals of the variables prove that
/// nothing overflows: lengths and positions are at most 2^28 (largest_length), heads and sequences 2^20, i32 parameters any. Indices of
/// tensors are clamped into them. A real element of -infinity becomes -1e30, which hides (Halide computes with finite numbers only).
/// Accuracy of the functions, f32: exp, exp2, log, log2 2 ulp, tanh 4 ulp, sigmoid 4 ulp.
Halide::Expr to_halide(const ExprPtr &root, const ExpressionInputs &inputs);

/// An element of a tensor parameter as it is stored. `key_exists`: the last index is the key itself, promised to be inside.
Halide::Expr stored_element(const Node &element, const ExpressionInputs &inputs, bool key_exists = false);

constexpr int64_t largest_length = int64_t(1) << 28;

/// tanh(x): odd rational approximation, x clamped to ±9, where f32 has reached ±1.
Halide::Expr tanh_bounded(const Halide::Expr &x);

}  // namespace attune

#pragma once
#include "generator/spec/expression.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace attune {

/// Integers that an expression may give, whatever the inputs: lengths and positions are at most 2^28, i32 params any i32.
/// Where its 64 bits might wrap, all of them: -2^63 … 2^63.
struct ValueRange {
    double low, high;
    /// Sums of a few such values do not wrap.
    bool small() const { return low > -0x1p61 && high < 0x1p61; }
};

/// constant + the sum of coefficient * atom: what comparisons of integers are brought to, so that each variable occurs once.
struct LinearForm {
    struct Term {
        ExprPtr atom;
        int64_t coefficient;
    };
    std::vector<Term> terms;  ///< sorted; no atom twice, no coefficient 0
    int64_t constant = 0;

    bool is_constant() const { return terms.empty(); }
};

/// Makes expressions in simplest form: constants folded, sums of integers in one order, equal parts one node (so that == of pointers is
/// equality of trees). Every function gives an expression of the same value for all inputs; arguments must come from the same Simplifier.
class Simplifier {
public:
    explicit Simplifier(const std::vector<ParamDeclaration> &params) : params_(params) {}

    /// A tree of the parser: helpers expanded, q_abs written as q + seq_len_kv - seq_len_q.
    ExprPtr simplify(const ExprPtr &root);
    /// The node with other operands, simplified.
    ExprPtr rebuild(const Node &node, std::vector<ExprPtr> operands);

    ExprPtr integer(int64_t value);
    ExprPtr boolean(bool value);
    ExprPtr variable(Variable variable);

    ExprPtr add(const ExprPtr &a, const ExprPtr &b);
    ExprPtr subtract(const ExprPtr &a, const ExprPtr &b);
    ExprPtr multiply(const ExprPtr &a, const ExprPtr &b);
    ExprPtr divide(const ExprPtr &a, const ExprPtr &b);  ///< integers: floor, x / 0 = 0
    ExprPtr modulo(const ExprPtr &a, const ExprPtr &b);
    ExprPtr min(const ExprPtr &a, const ExprPtr &b);
    ExprPtr max(const ExprPtr &a, const ExprPtr &b);
    ExprPtr abs(const ExprPtr &a);
    ExprPtr compare(Op op, const ExprPtr &a, const ExprPtr &b);
    ExprPtr compare_zero(Op op, LinearForm form);  ///< form op 0; its value must be small
    ExprPtr logical_not(const ExprPtr &a);
    ExprPtr logical_and(const ExprPtr &a, const ExprPtr &b) { return logical(Op::logical_and, a, b); }
    ExprPtr logical_or(const ExprPtr &a, const ExprPtr &b) { return logical(Op::logical_or, a, b); }
    ExprPtr select(const ExprPtr &condition, const ExprPtr &a, const ExprPtr &b);

    LinearForm linear(const ExprPtr &integer) const;
    LinearForm combine(const LinearForm &a, int64_t factor, const LinearForm &b) const;  ///< a + factor * b
    ExprPtr sum(const LinearForm &form);
    ValueRange range(const ExprPtr &integer) const { return info(integer).range; }
    ValueRange range(const LinearForm &form) const;
    /// Whether the expression reads the variable.
    bool reads(const ExprPtr &expression, Variable variable) const { return info(expression).reads >> static_cast<int>(variable) & 1; }
    const std::vector<ParamDeclaration> &params() const { return params_; }

private:
    struct Info {
        int id;          ///< order of making: sorts operands the same way on every machine
        uint32_t reads;  ///< bit Variable
        ValueRange range;
    };
    struct Hash {
        size_t operator()(const ExprPtr &node) const;
    };
    struct Same {
        bool operator()(const ExprPtr &a, const ExprPtr &b) const;
    };
    const Info &info(const ExprPtr &expression) const { return infos_.at(expression); }
    ExprPtr intern(Node node);
    ExprPtr intern(Op op, ExprType type, std::vector<ExprPtr> operands);
    ExprPtr logical(Op op, const ExprPtr &a, const ExprPtr &b);
    bool implies(const ExprPtr &a, const ExprPtr &b) const;
    ExprPtr compare_extremum(const LinearForm &form);
    bool before(const ExprPtr &a, const ExprPtr &b) const;
    ValueRange node_range(const Node &node) const;

    std::vector<ParamDeclaration> params_;
    std::unordered_map<ExprPtr, Info, Hash, Same> infos_;   ///< every node made here
    std::unordered_map<const Node *, ExprPtr> simplified_;  ///< of simplify, by the parser's nodes
    std::vector<ExprPtr> sources_;                          ///< keeps them alive
};

}  // namespace attune

#include "generator/plan/key_ranges.h"

#include <algorithm>

namespace attune {
namespace {

/// null: unlimited.
using Ranges = std::vector<KeyRange>;

class KeyRanges {
public:
    KeyRanges(Simplifier &s, const BlockEnds &ends) : s_(s), intervals_(s, ends) {}

    /// Keys for which the condition (negated: its opposite) may hold in some row.
    Ranges visible(const ExprPtr &e, bool negated);

private:
    const Ranges whole = {{nullptr, nullptr}};

    Ranges when(const ExprPtr &condition, const Ranges &ranges);
    Ranges both(const Ranges &a, const Ranges &b);
    Ranges either(const Ranges &a, const Ranges &b);
    Ranges pruned(Ranges ranges);
    Ranges comparison(Op op, const ExprPtr &a, const ExprPtr &b);
    Ranges not_positive(const LinearForm &form);
    Ranges at_most(const ExprPtr &atom, const ExprPtr &bound);
    Ranges at_least(const ExprPtr &atom, const ExprPtr &bound);
    Ranges below(const ExprPtr &e, const ExprPtr &bound);
    Ranges above(const ExprPtr &e, const ExprPtr &bound);
    bool always(Op op, const ExprPtr &a, const ExprPtr &b);
    bool contains(const KeyRange &outer, const KeyRange &inner);

    Simplifier &s_;
    Intervals intervals_;
};

Ranges KeyRanges::visible(const ExprPtr &e, bool negated) {
    if (!s_.reads(e, Variable::kv)) {
        const Bounds b = intervals_.bounds(e);
        return when(negated ? s_.logical_not(b.low) : b.high, whole);
    }
    const auto of = [&](size_t i, bool negate) { return visible(e->operands[i], negate); };
    switch (e->op) {
    case Op::logical_not:
        return of(0, !negated);
    case Op::logical_and:
        return negated ? either(of(0, true), of(1, true)) : both(of(0, false), of(1, false));
    case Op::logical_or:
        return negated ? both(of(0, true), of(1, true)) : either(of(0, false), of(1, false));
    case Op::select:  // (c && a) || (!c && b); negated, a and b are
        return either(both(of(0, false), of(1, negated)), both(of(0, true), of(2, negated)));
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
    case Op::equal:
    case Op::not_equal: {
        const ExprPtr condition = negated ? s_.logical_not(e) : e;
        if (condition->op == Op::logical_not || condition->operands[0]->type != ExprType::integer)
            return whole;
        return comparison(condition->op, condition->operands[0], condition->operands[1]);
    }
    default:
        return whole;
    }
}

// ---- unions

Ranges KeyRanges::when(const ExprPtr &condition, const Ranges &ranges) {
    if (condition->op == Op::boolean && condition->integer)
        return ranges;
    const ExprPtr end = s_.subtract(s_.variable(Variable::seq_len_kv), s_.integer(1));
    Ranges out;
    for (const KeyRange &r : ranges)
        out.push_back({r.first, s_.select(condition, r.last ? r.last : end, s_.integer(-1))});
    return out;
}

bool KeyRanges::always(Op op, const ExprPtr &a, const ExprPtr &b) {
    const ExprPtr holds = s_.compare(op, a, b);
    return holds->op == Op::boolean && holds->integer;
}

bool KeyRanges::contains(const KeyRange &outer, const KeyRange &inner) {
    return (!outer.first || (inner.first && always(Op::less_equal, outer.first, inner.first))) &&
           (!outer.last || (inner.last && always(Op::greater_equal, outer.last, inner.last)));
}

Ranges KeyRanges::pruned(Ranges ranges) {
    const auto empty = [&](const KeyRange &r) { return r.last && always(Op::less, r.last, r.first ? r.first : s_.integer(0)); };
    Ranges out;
    for (KeyRange range : ranges) {
        if (empty(range) && !(out.empty() && &range == &ranges.back()))
            continue;
        // Two that begin, or end, alike are one.
        bool merged = false;
        for (KeyRange &other : out) {
            if (contains(other, range)) {
                merged = true;
            } else if (contains(range, other)) {
                other = range;
                merged = true;
            } else if (other.first == range.first && other.last && range.last) {
                other.last = s_.max(other.last, range.last);
                merged = true;
            } else if (other.last == range.last && other.first && range.first) {
                other.first = s_.min(other.first, range.first);
                merged = true;
            }
            if (merged)
                break;
        }
        if (!merged)
            out.push_back(range);
    }
    if (out.empty())
        out.push_back({nullptr, s_.integer(-1)});
    if (out.size() > static_cast<size_t>(BlockPlan::max_ranges)) {
        KeyRange hull = out[0];
        for (const KeyRange &r : out) {
            hull.first = hull.first && r.first ? s_.min(hull.first, r.first) : nullptr;
            hull.last = hull.last && r.last ? s_.max(hull.last, r.last) : nullptr;
        }
        out = {hull};
    }
    return out;
}

Ranges KeyRanges::both(const Ranges &a, const Ranges &b) {
    Ranges out;
    for (const KeyRange &x : a)
        for (const KeyRange &y : b)
            out.push_back({x.first && y.first ? s_.max(x.first, y.first)
                           : x.first          ? x.first
                                              : y.first,
                           x.last && y.last ? s_.min(x.last, y.last)
                           : x.last         ? x.last
                                            : y.last});
    return pruned(std::move(out));
}

Ranges KeyRanges::either(const Ranges &a, const Ranges &b) {
    Ranges out = a;
    out.insert(out.end(), b.begin(), b.end());
    return pruned(std::move(out));
}

// ---- comparisons

Ranges KeyRanges::comparison(Op op, const ExprPtr &a, const ExprPtr &b) {
    if (!s_.range(a).small() || !s_.range(b).small())
        return whole;
    LinearForm difference = s_.combine(s_.linear(a), -1, s_.linear(b));
    switch (op) {
    case Op::less:
    case Op::less_equal:
        difference.constant += op == Op::less;
        return not_positive(difference);
    case Op::greater:
    case Op::greater_equal:
        difference = s_.combine({}, -1, difference);
        difference.constant += op == Op::greater;
        return not_positive(difference);
    case Op::equal:
        return both(not_positive(difference), not_positive(s_.combine({}, -1, difference)));
    default:
        return whole;
    }
}

/// Keys for which form <= 0 may hold.
Ranges KeyRanges::not_positive(const LinearForm &form) {
    LinearForm keys, rest;
    rest.constant = form.constant;
    for (const auto &term : form.terms)
        (s_.reads(term.atom, Variable::kv) ? keys : rest).terms.push_back(term);
    const ExprPtr low = intervals_.bounds(rest).low;
    if (!low || keys.terms.size() > 1)
        return whole;
    if (keys.terms.empty())
        return when(s_.compare(Op::less_equal, low, s_.integer(0)), whole);
    // c * atom <= -low
    const auto &[atom, c] = keys.terms[0];
    if (c > 0)
        return at_most(atom, s_.divide(s_.subtract(s_.integer(0), low), s_.integer(c)));
    return at_least(atom, s_.divide(s_.subtract(low, s_.integer(c + 1)), s_.integer(-c)));
}

/// Keys for which e <= bound may hold; bound is of the block.
Ranges KeyRanges::below(const ExprPtr &e, const ExprPtr &bound) {
    if (!s_.range(e).small() || !s_.range(bound).small())
        return whole;
    return not_positive(s_.combine(s_.linear(e), -1, s_.linear(bound)));
}

Ranges KeyRanges::above(const ExprPtr &e, const ExprPtr &bound) {
    if (!s_.range(e).small() || !s_.range(bound).small())
        return whole;
    return not_positive(s_.combine(s_.linear(bound), -1, s_.linear(e)));
}

Ranges KeyRanges::at_most(const ExprPtr &atom, const ExprPtr &bound) {
    const auto of = [&](size_t i) { return atom->operands[i]; };
    switch (atom->op) {
    case Op::variable:
        return {{nullptr, bound}};
    case Op::abs:
        return both(below(of(0), bound), above(of(0), s_.subtract(s_.integer(0), bound)));
    case Op::min:
        return either(below(of(0), bound), below(of(1), bound));
    case Op::max:
        return both(below(of(0), bound), below(of(1), bound));
    case Op::divide: {  // x / n <= bound is x <= bound * n + n - 1
        const Bounds n = intervals_.bounds(of(1));
        if (!n.point())
            return whole;
        const ExprPtr positive = s_.compare(Op::greater, n.low, s_.integer(0));
        const Ranges solved = below(of(0), s_.subtract(s_.add(s_.multiply(bound, n.low), n.low), s_.integer(1)));
        return positive->op == Op::boolean ? (positive->integer ? solved : whole) : select_ranges(s_, positive, solved, whole);
    }
    default:
        return whole;
    }
}

Ranges KeyRanges::at_least(const ExprPtr &atom, const ExprPtr &bound) {
    const auto of = [&](size_t i) { return atom->operands[i]; };
    switch (atom->op) {
    case Op::variable:
        return {{bound, nullptr}};
    case Op::abs:
        return either(above(of(0), bound), below(of(0), s_.subtract(s_.integer(0), bound)));
    case Op::min:
        return both(above(of(0), bound), above(of(1), bound));
    case Op::max:
        return either(above(of(0), bound), above(of(1), bound));
    case Op::divide: {  // x / n >= bound is x >= bound * n
        const Bounds n = intervals_.bounds(of(1));
        if (!n.point())
            return whole;
        const ExprPtr positive = s_.compare(Op::greater, n.low, s_.integer(0));
        const Ranges solved = above(of(0), s_.multiply(bound, n.low));
        return positive->op == Op::boolean ? (positive->integer ? solved : whole) : select_ranges(s_, positive, solved, whole);
    }
    default:
        return whole;
    }
}

}  // namespace

std::vector<KeyRange> select_ranges(Simplifier &s, const ExprPtr &condition, const std::vector<KeyRange> &a,
                                    const std::vector<KeyRange> &b) {
    const ExprPtr begin = s.integer(0), end = s.subtract(s.variable(Variable::seq_len_kv), s.integer(1));
    const auto pick = [&](const ExprPtr &x, const ExprPtr &y, const ExprPtr &unlimited) {
        return x || y ? s.select(condition, x ? x : unlimited, y ? y : unlimited) : nullptr;
    };
    const KeyRange none = {nullptr, s.integer(-1)};
    std::vector<KeyRange> out;
    for (size_t i = 0; i < std::max(a.size(), b.size()); i++) {
        const KeyRange &x = i < a.size() ? a[i] : none, &y = i < b.size() ? b[i] : none;
        out.push_back({pick(x.first, y.first, begin), pick(x.last, y.last, end)});
    }
    return out;
}

std::vector<KeyRange> key_ranges(Simplifier &s, const BlockEnds &ends, const ExprPtr &mask) {
    std::vector<KeyRange> ranges = KeyRanges(s, ends).visible(mask, false);
    for (KeyRange &r : ranges) {
        r.first = r.first ? r.first : s.integer(0);
        r.last = r.last ? r.last : s.subtract(s.variable(Variable::seq_len_kv), s.integer(1));
    }
    return ranges;
}

}  // namespace attune

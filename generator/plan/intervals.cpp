#include "generator/plan/intervals.h"

#include <algorithm>

namespace attune {

BlockEnds BlockEnds::of(Simplifier &s, bool one_head) {
    const ExprPtr h_first = s.variable(Variable::h_first);
    return {h_first,
            one_head ? h_first : s.variable(Variable::h_last),
            s.variable(Variable::q_first),
            s.variable(Variable::q_last),
            s.variable(Variable::kv_first),
            s.variable(Variable::kv_last)};
}

Bounds Intervals::unknown(ExprType type) {
    return type == ExprType::boolean ? Bounds{s_.boolean(false), s_.boolean(true)} : Bounds{};
}

Bounds Intervals::bounds(const ExprPtr &e) {
    const auto found = known_.find(e.get());
    if (found != known_.end())
        return found->second;
    Bounds result;
    const bool sum = e->type == ExprType::integer && (e->op == Op::add || e->op == Op::subtract || e->op == Op::negate);
    if (sum || (e->op == Op::multiply && e->type == ExprType::integer && e->operands[0]->op == Op::integer))
        result = bounds(s_.linear(e));
    else
        result = operation(e);
    known_[e.get()] = result;
    return result;
}

Bounds Intervals::bounds(const LinearForm &form) {
    LinearForm low, high;
    low.constant = high.constant = form.constant;
    bool same = true, no_low = false, no_high = false;
    for (const auto &[atom, coefficient] : form.terms) {
        Bounds b = bounds(atom);
        same = same && b.point();
        if (coefficient < 0)
            std::swap(b.low, b.high);
        no_low = no_low || !b.low;
        no_high = no_high || !b.high;
        if (!no_low)
            low = s_.combine(low, coefficient, s_.linear(b.low));
        if (!no_high)
            high = s_.combine(high, coefficient, s_.linear(b.high));
    }
    if (same) {
        const ExprPtr value = s_.sum(low);
        return {value, value};
    }
    if (!s_.range(form).small())
        return {};
    return {no_low || !s_.range(low).small() ? nullptr : s_.sum(low), no_high || !s_.range(high).small() ? nullptr : s_.sum(high)};
}

Bounds Intervals::operation(const ExprPtr &e) {
    if (e->op == Op::variable) {
        switch (e->variable) {
        case Variable::h:
            return {ends_.h_first, ends_.h_last};
        case Variable::q:
            return {ends_.q_first, ends_.q_last};
        case Variable::kv:
            return {ends_.kv_first, ends_.kv_last};
        default:
            return {e, e};
        }
    }
    std::vector<Bounds> of;
    std::vector<ExprPtr> points;
    for (const ExprPtr &operand : e->operands) {
        of.push_back(bounds(operand));
        if (of.back().point())
            points.push_back(of.back().low);
    }
    if (points.size() == of.size()) {
        const ExprPtr value = of.empty() ? e : s_.rebuild(*e, points);
        return {value, value};
    }

    const bool known = std::all_of(of.begin(), of.end(), [](const Bounds &b) { return b.low && b.high; });
    const bool integers = e->type == ExprType::integer;
    // Reals: no arithmetic, whose last bit depends on how a kernel is compiled; but order is order.
    const auto smaller = [&](const ExprPtr &a, const ExprPtr &b) { return s_.rebuild(*make_node(Op::min, e->type, {}), {a, b}); };
    const auto larger = [&](const ExprPtr &a, const ExprPtr &b) { return s_.rebuild(*make_node(Op::max, e->type, {}), {a, b}); };
    switch (e->op) {
    case Op::logical_not:
        return {s_.logical_not(of[0].high), s_.logical_not(of[0].low)};
    case Op::logical_and:
        return {s_.logical_and(of[0].low, of[1].low), s_.logical_and(of[0].high, of[1].high)};
    case Op::logical_or:
        return {s_.logical_or(of[0].low, of[1].low), s_.logical_or(of[0].high, of[1].high)};
    case Op::select:
        return select(of[0], of[1], of[2]);
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
    case Op::equal:
    case Op::not_equal:
        return compare(e->op, e->operands[0], e->operands[1]);
    case Op::min:
        if (known)
            return {smaller(of[0].low, of[1].low), smaller(of[0].high, of[1].high)};
        break;
    case Op::max:
        if (known)
            return {larger(of[0].low, of[1].low), larger(of[0].high, of[1].high)};
        break;
    case Op::abs:
        if (known && integers && s_.range(e->operands[0]).small()) {
            const ExprPtr minus_low = s_.subtract(s_.integer(0), of[0].low), minus_high = s_.subtract(s_.integer(0), of[0].high);
            return {s_.max(s_.max(of[0].low, minus_high), s_.integer(0)), s_.max(of[0].high, minus_low)};
        }
        break;
    case Op::multiply:
        if (known && integers && s_.range(e).small())
            return multiply(of[0], of[1]);
        break;
    case Op::divide:
        if (known && integers && s_.range(e->operands[0]).small())
            return divide(of[0], of[1]);
        break;
    case Op::modulo:
        if (known && s_.range(e->operands[0]).small() && s_.range(e->operands[1]).small())
            return modulo(of[0], of[1]);
        break;
    case Op::to_real:
    case Op::floor:
        if (known)
            return {s_.rebuild(*e, {of[0].low}), s_.rebuild(*e, {of[0].high})};
        break;
    case Op::element:
        return e->type == ExprType::boolean ? corners(*e, of) : sorted_element(*e, of);
    case Op::pattern:
        return corners(*e, of);
    default:
        break;
    }
    return unknown(e->type);
}

// ---- integers

Bounds Intervals::multiply(const Bounds &a, const Bounds &b) {
    if (!a.point() && !b.point())
        return {};
    const Bounds &point = a.point() ? a : b, &other = a.point() ? b : a;
    const ExprPtr x = s_.multiply(point.low, other.low), y = s_.multiply(point.low, other.high);
    const ValueRange sign = s_.range(point.low);
    if (sign.low >= 0)
        return {x, y};
    return {s_.min(x, y), s_.max(x, y)};
}

Bounds Intervals::divide(const Bounds &a, const Bounds &b) {
    if (!b.point()) {  // |a / b| <= |a|
        const ExprPtr most = s_.max(a.high, s_.subtract(s_.integer(0), a.low));
        return {s_.subtract(s_.integer(0), most), most};
    }
    const ExprPtr x = s_.divide(a.low, b.low), y = s_.divide(a.high, b.low);
    const ValueRange sign = s_.range(b.low);
    if (sign.low >= 0)
        return {x, y};
    if (sign.high <= 0)
        return {y, x};
    return {s_.min(x, y), s_.max(x, y)};
}

Bounds Intervals::modulo(const Bounds &a, const Bounds &b) {
    const ExprPtr zero = s_.integer(0), one = s_.integer(1);
    // The divisor's sign, and less than it.
    const Bounds crude = {s_.min(s_.add(b.low, one), zero), s_.max(s_.subtract(b.high, one), zero)};
    if (!b.point())
        return crude;
    // Between two multiples of the divisor the remainder grows with the value.
    const ExprPtr together = s_.compare(Op::equal, s_.divide(a.low, b.low), s_.divide(a.high, b.low));
    return {s_.select(together, s_.modulo(a.low, b.low), crude.low), s_.select(together, s_.modulo(a.high, b.low), crude.high)};
}

Bounds Intervals::select(const Bounds &condition, const Bounds &a, const Bounds &b) {
    const bool booleans = a.low && a.low->type == ExprType::boolean;
    if (condition.point()) {
        const auto pick = [&](const ExprPtr &x, const ExprPtr &y) { return x && y ? s_.select(condition.low, x, y) : nullptr; };
        return {pick(a.low, b.low), pick(a.high, b.high)};
    }
    if (booleans)  // (a or the condition never holds) and (b or it always does); the same for "some"
        return {s_.logical_and(s_.logical_or(a.low, s_.logical_not(condition.high)), s_.logical_or(b.low, condition.low)),
                s_.logical_or(s_.logical_and(condition.high, a.high), s_.logical_and(s_.logical_not(condition.low), b.high))};
    const auto hull = [&](Op op, const ExprPtr &x, const ExprPtr &y) -> ExprPtr {
        if (!x || !y)
            return nullptr;
        const ExprPtr both = s_.rebuild(*make_node(op, x->type, {}), {x, y});
        return s_.select(condition.low, x, s_.select(condition.high, both, y));
    };
    return {hull(Op::min, a.low, b.low), hull(Op::max, a.high, b.high)};
}

// ---- comparisons

Bounds Intervals::compare(Op op, const ExprPtr &a, const ExprPtr &b) {
    if (op == Op::not_equal) {
        const Bounds same = compare(Op::equal, a, b);
        return {s_.logical_not(same.high), s_.logical_not(same.low)};
    }
    if (op == Op::greater || op == Op::greater_equal)
        return compare(op == Op::greater ? Op::less : Op::less_equal, b, a);
    if (a->type == ExprType::boolean) {  // equal
        const Bounds x = bounds(a), y = bounds(b);
        const auto neither = [&](const ExprPtr &p, const ExprPtr &q) { return s_.logical_and(s_.logical_not(p), s_.logical_not(q)); };
        return {s_.logical_or(s_.logical_and(x.low, y.low), neither(x.high, y.high)),
                s_.logical_or(s_.logical_and(x.high, y.high), neither(x.low, y.low))};
    }
    const auto holds = [&](Op how, const ExprPtr &x, const ExprPtr &y, bool otherwise) {
        return x && y ? s_.compare(how, x, y) : s_.boolean(otherwise);
    };
    if (a->type == ExprType::integer && s_.range(a).small() && s_.range(b).small()) {
        const LinearForm difference = s_.combine(s_.linear(a), -1, s_.linear(b));
        if (op == Op::equal)
            return equals_zero(difference);
        const Bounds d = bounds(difference);
        const ExprPtr zero = s_.integer(0);
        return {holds(op, d.high, zero, false), holds(op, d.low, zero, true)};
    }
    const Bounds x = bounds(a), y = bounds(b);
    if (op == Op::equal)
        return {s_.logical_and(holds(Op::less_equal, x.high, y.low, false), holds(Op::less_equal, y.high, x.low, false)),
                s_.logical_and(holds(Op::less_equal, x.low, y.high, true), holds(Op::less_equal, y.low, x.high, true))};
    return {holds(op, x.high, y.low, false), holds(op, x.low, y.high, true)};
}

Bounds Intervals::equals_zero(const LinearForm &form) {
    const ExprPtr zero = s_.integer(0), one = s_.integer(1);
    if (form.terms.size() == 1 && form.terms[0].atom->op == Op::modulo && std::abs(form.terms[0].coefficient) == 1) {
        // x % n == r where x takes (at most) all values of an interval: does it hold a number of that remainder?
        const int64_t remainder = form.terms[0].coefficient > 0 ? -form.constant : form.constant;
        const ExprPtr &dividend = form.terms[0].atom->operands[0];
        const Bounds x = bounds(s_.combine(s_.linear(dividend), 1, {{}, -remainder})), n = bounds(form.terms[0].atom->operands[1]);
        if (x.low && x.high && n.point() && s_.range(dividend).small()) {
            const bool constant = n.low->op == Op::integer;
            if (constant && (remainder < 0 ? remainder <= n.low->integer : remainder > 0 && remainder >= n.low->integer))
                return {s_.boolean(false), s_.boolean(false)};
            if (remainder == 0 || (constant && n.low->integer > 0 && remainder > 0)) {
                const auto multiple = [&](const ExprPtr &v) { return s_.compare(Op::equal, s_.modulo(v, n.low), zero); };
                const ExprPtr crossed = s_.compare(Op::not_equal, s_.divide(x.low, n.low), s_.divide(x.high, n.low));
                ExprPtr some = s_.logical_or(multiple(x.low), crossed);
                if (s_.range(n.low).low < 0)
                    some = s_.logical_or(some, multiple(x.high));
                const ExprPtr one_value = s_.logical_and(s_.compare(Op::equal, x.low, x.high), multiple(x.low));
                const ExprPtr always = s_.compare(Op::less_equal, s_.abs(n.low), one);  // x % 1 and x % 0 are 0
                return {remainder == 0 ? s_.logical_or(always, one_value) : one_value, some};
            }
        }
    }
    const Bounds d = bounds(form);
    const ExprPtr not_above = d.low ? s_.compare(Op::less_equal, d.low, zero) : s_.boolean(true),
                  not_below = d.high ? s_.compare(Op::greater_equal, d.high, zero) : s_.boolean(true);
    if (!d.low || !d.high)
        return {s_.boolean(false), s_.logical_and(not_above, not_below)};
    if (d.point()) {
        const ExprPtr value = s_.compare(Op::equal, d.low, zero);
        return {value, value};
    }
    return {s_.logical_and(s_.compare(Op::greater_equal, d.low, zero), s_.compare(Op::less_equal, d.high, zero)),
            s_.logical_and(not_above, not_below)};
}

// ---- tensors

Bounds Intervals::sorted_element(const Node &node, const std::vector<Bounds> &indices) {
    if (!s_.params()[static_cast<size_t>(node.parameter)].nondecreasing || !indices.back().low || !indices.back().high)
        return {};
    std::vector<ExprPtr> first, last;
    for (const Bounds &index : indices) {
        if (&index != &indices.back() && !index.point())
            return {};
        first.push_back(index.low);
        last.push_back(index.high);
    }
    // Clamping into the array, at run time, keeps the order.
    return {s_.rebuild(node, first), s_.rebuild(node, last)};
}

bool Intervals::coarse(const ExprPtr &index) const {
    const LinearForm form = s_.linear(index);
    return std::all_of(form.terms.begin(), form.terms.end(), [&](const auto &term) {
        return term.atom->op == Op::divide || !(s_.reads(term.atom, Variable::q) || s_.reads(term.atom, Variable::kv));
    });
}

Bounds Intervals::corners(const Node &node, const std::vector<Bounds> &indices) {
    // A block of rows x keys that lies in at most two blocks each way: the elements at its corners are all there are.
    std::vector<std::vector<ExprPtr>> places = {{}};
    ExprPtr near = s_.boolean(true);
    for (size_t i = 0; i < indices.size(); i++) {
        const auto &[low, high] = indices[i];
        if (!low || !high || !(indices[i].point() || coarse(node.operands[i])))
            return unknown(ExprType::boolean);
        std::vector<std::vector<ExprPtr>> longer;
        for (const auto &place : places) {
            longer.push_back(place);
            longer.back().push_back(low);
            if (indices[i].point())
                continue;
            longer.push_back(place);
            longer.back().push_back(high);
        }
        places = std::move(longer);
        if (!indices[i].point())
            near = s_.logical_and(near, s_.compare(Op::less_equal, s_.subtract(high, low), s_.integer(1)));
    }
    Bounds all = {s_.boolean(true), s_.boolean(false)};
    for (auto &place : places) {
        const ExprPtr element = s_.rebuild(node, place);
        all = {s_.logical_and(all.low, element), s_.logical_or(all.high, element)};
    }
    return {s_.logical_and(near, all.low), s_.logical_or(s_.logical_not(near), all.high)};
}

}  // namespace attune

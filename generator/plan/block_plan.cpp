#include "generator/plan/block_plan.h"
#include "generator/plan/intervals.h"
#include "generator/plan/key_ranges.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace attune {
namespace {

/// Whether a block of one head is better known than the rule for first … last heads says at first == last.
bool needs_one_head(const Simplifier &s, const ExprPtr &e, std::unordered_set<const Node *> &seen) {
    if (!s.reads(e, Variable::h) || !seen.insert(e.get()).second)
        return false;
    const auto varies = [&](size_t i) {
        return s.reads(e->operands[i], Variable::h) || s.reads(e->operands[i], Variable::q) || s.reads(e->operands[i], Variable::kv);
    };
    switch (e->op) {
    case Op::element:
    case Op::pattern:
    case Op::bit:
    case Op::floor:
        return true;
    case Op::multiply:
        if (varies(0) && varies(1))
            return true;
        break;
    case Op::divide:
    case Op::modulo:
        if (varies(1))
            return true;
        break;
    default:
        break;
    }
    return e->type == ExprType::real ||
           std::any_of(e->operands.begin(), e->operands.end(), [&](const ExprPtr &operand) { return needs_one_head(s, operand, seen); });
}

/// Rows and columns of an image, say: the mask reads both x / n and x % n of x = position + offset. A block that crosses a multiple of n
/// has all remainders; cut there, its parts have few, and the first has one quotient.
struct Image {
    ExprPtr quotient, remainder, offset, n;
};

std::optional<Image> find_image(Simplifier &s, const ExprPtr &mask, Variable axis) {
    std::unordered_set<const Node *> seen;
    std::vector<ExprPtr> open = {mask}, remainders, quotients;
    while (!open.empty()) {
        const ExprPtr e = open.back();
        open.pop_back();
        if (!seen.insert(e.get()).second)
            continue;
        if (e->op == Op::modulo)
            remainders.push_back(e);
        if (e->op == Op::divide && e->type == ExprType::integer)
            quotients.push_back(e);
        open.insert(open.end(), e->operands.begin(), e->operands.end());
    }
    for (const ExprPtr &remainder : remainders)
        for (const ExprPtr &quotient : quotients) {
            const ExprPtr &x = remainder->operands[0], &n = remainder->operands[1];
            if (quotient->operands != remainder->operands || !s.range(x).small())
                continue;
            const ExprPtr offset = s.subtract(x, s.variable(axis));
            bool fixed = true;
            for (Variable v : {Variable::q, Variable::kv, Variable::h})
                fixed = fixed && !s.reads(offset, v) && !s.reads(n, v);
            if (fixed)
                return Image{quotient, remainder, offset, n};
        }
    return std::nullopt;
}

/// A part of a block, and what is known in it.
struct Part {
    BlockEnds ends;
    ExprPtr exists;
    std::vector<std::pair<ExprPtr, Bounds>> known;
};

/// The two parts of each, cut at the first multiple of n behind x's first value; n must be positive. The second may not exist.
std::vector<Part> cut(Simplifier &s, const Image &image, const std::vector<Part> &parts, ExprPtr BlockEnds::*first,
                      ExprPtr BlockEnds::*last) {
    const ExprPtr zero = s.integer(0), one = s.integer(1);
    std::vector<Part> out;
    for (const Part &part : parts) {
        const ExprPtr x_first = s.add(part.ends.*first, image.offset), x_last = s.add(part.ends.*last, image.offset);
        const ExprPtr quotient = s.divide(x_first, image.n), multiple = s.multiply(s.add(quotient, one), image.n);
        const ExprPtr x_cut = s.min(x_last, s.subtract(multiple, one)), begin = s.multiply(quotient, image.n);

        Part before = part;
        before.ends.*last = s.subtract(x_cut, image.offset);
        before.known.push_back({image.quotient, {quotient, quotient}});
        before.known.push_back({image.remainder, {s.subtract(x_first, begin), s.subtract(x_cut, begin)}});
        out.push_back(before);

        Part behind = part;
        behind.ends.*first = s.subtract(multiple, image.offset);
        behind.exists = s.logical_and(part.exists, s.compare(Op::greater_equal, x_last, multiple));
        behind.known.push_back({image.remainder, {zero, s.min(s.subtract(x_last, multiple), s.subtract(image.n, one))}});
        out.push_back(behind);
    }
    return out;
}

/// all and some of a block.
Bounds visible(Simplifier &s, const ExprPtr &mask, const BlockEnds &block) {
    const Bounds whole = Intervals(s, block).bounds(mask);
    const auto rows = find_image(s, mask, Variable::q), keys = find_image(s, mask, Variable::kv);
    if (!rows || !keys)
        return whole;
    std::vector<Part> parts = {{block, s.boolean(true), {}}};
    parts = cut(s, *rows, parts, &BlockEnds::q_first, &BlockEnds::q_last);
    parts = cut(s, *keys, parts, &BlockEnds::kv_first, &BlockEnds::kv_last);
    Bounds all = {s.boolean(true), s.boolean(false)};
    for (const Part &part : parts) {
        Intervals intervals(s, part.ends);
        for (const auto &[expression, bounds] : part.known)
            intervals.assume(expression, bounds);
        const Bounds b = intervals.bounds(mask);
        all.low = s.logical_and(all.low, s.logical_or(b.low, s.logical_not(part.exists)));
        all.high = s.logical_or(all.high, s.logical_and(part.exists, b.high));
    }
    const ExprPtr positive = s.logical_and(s.compare(Op::greater, rows->n, s.integer(0)), s.compare(Op::greater, keys->n, s.integer(0)));
    return {s.select(positive, all.low, whole.low), s.select(positive, all.high, whole.high)};
}

}  // namespace

BlockPlan plan_blocks(const ExprPtr &mask, const std::vector<ParamDeclaration> &params) {
    Simplifier s(params);
    const ExprPtr simple = mask ? s.simplify(mask) : s.boolean(true);
    const BlockEnds block = BlockEnds::of(s);
    BlockPlan plan;
    plan.ranges = key_ranges(s, block, simple);
    Bounds b = visible(s, simple, block);
    std::unordered_set<const Node *> seen;
    if (needs_one_head(s, simple, seen)) {
        const BlockEnds one = BlockEnds::of(s, true);
        const ExprPtr same = s.compare(Op::equal, s.variable(Variable::h_first), s.variable(Variable::h_last));
        const Bounds exact = visible(s, simple, one);
        b = {s.select(same, exact.low, b.low), s.select(same, exact.high, b.high)};
        plan.ranges = select_ranges(s, same, key_ranges(s, one, simple), plan.ranges);
    }
    plan.some = b.high;
    plan.all = b.low;
    return plan;
}

}  // namespace attune

#include "generator/plan/simplify.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>

namespace attune {
namespace {

constexpr ValueRange any_value = {-0x1p63, 0x1p63};
constexpr double longest = 1 << 28;  // sequence

// Expressions wrap; signed overflow in C++ is undefined.
int64_t wrapping_add(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t wrapping_multiply(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
int64_t floor_divide(int64_t a, int64_t b) {
    if (b == 0)
        return 0;
    if (b == -1)
        return wrapping_multiply(a, -1);
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
int64_t floor_modulo(int64_t a, int64_t b) {
    return b == 0 ? 0 : wrapping_add(a, wrapping_multiply(-1, wrapping_multiply(b, floor_divide(a, b))));
}

bool is_integer(const ExprPtr &e) {
    return e->op == Op::integer;
}
bool is_integer(const ExprPtr &e, int64_t value) {
    return e->op == Op::integer && e->integer == value;
}
bool is_true(const ExprPtr &e) {
    return e->op == Op::boolean && e->integer != 0;
}
bool is_false(const ExprPtr &e) {
    return e->op == Op::boolean && e->integer == 0;
}

bool comparison(Op op) {
    return op == Op::less || op == Op::less_equal || op == Op::greater || op == Op::greater_equal || op == Op::equal || op == Op::not_equal;
}

Op inverse(Op op) {
    switch (op) {
    case Op::less:
        return Op::greater_equal;
    case Op::less_equal:
        return Op::greater;
    case Op::greater:
        return Op::less_equal;
    case Op::greater_equal:
        return Op::less;
    case Op::equal:
        return Op::not_equal;
    default:
        return Op::equal;
    }
}

/// Where a variable stands in a sum: what a reader looks for comes first, lengths last.
int rank(const ExprPtr &e) {
    if (e->op != Op::variable)
        return 10;
    switch (e->variable) {
    case Variable::kv_first:
    case Variable::kv_last:
    case Variable::kv:
        return 0;
    case Variable::q_first:
    case Variable::q_last:
    case Variable::q:
        return 1;
    case Variable::seq_len_kv:
        return 20;
    case Variable::seq_len_q:
        return 21;
    default:
        return 2;
    }
}

ValueRange unless_it_wraps(double low, double high) {
    return low > -0x1p62 && high < 0x1p62 ? ValueRange{low, high} : any_value;
}

/// Whether the doubles are the bounds without a rounding error.
bool exact(ValueRange r) {
    return std::abs(r.low) < 0x1p52 && std::abs(r.high) < 0x1p52;
}

/// Whether 0 <= value < n.
bool within(ValueRange r, int64_t n) {
    return exact(r) && r.low >= 0 && r.high < static_cast<double>(n);
}

ValueRange variable_range(Variable v) {
    switch (v) {
    case Variable::b:
    case Variable::h:
    case Variable::hkv:
    case Variable::h_first:
    case Variable::h_last:
        return {0, 0x1p31};
    case Variable::q_abs:
        return {-longest, longest};
    case Variable::s:
    case Variable::head_dim:
        return any_value;
    default:
        return {0, longest};
    }
}

ValueRange add_ranges(ValueRange a, double factor, ValueRange b) {
    return factor >= 0 ? unless_it_wraps(a.low + factor * b.low, a.high + factor * b.high)
                       : unless_it_wraps(a.low + factor * b.high, a.high + factor * b.low);
}

}  // namespace

// ---- nodes

size_t Simplifier::Hash::operator()(const ExprPtr &node) const {
    size_t hash = static_cast<size_t>(node->op);
    const auto mix = [&](size_t x) { hash = (hash ^ x) * 0x9e3779b97f4a7c15ull + (hash >> 29); };
    mix(static_cast<size_t>(node->type));
    mix(static_cast<size_t>(node->integer));
    mix(std::bit_cast<uint64_t>(node->real));
    mix(static_cast<size_t>(node->variable));
    mix(static_cast<size_t>(node->parameter));
    mix(reinterpret_cast<size_t>(node->pattern.get()));
    for (const ExprPtr &operand : node->operands)
        mix(reinterpret_cast<size_t>(operand.get()));
    return hash;
}

bool Simplifier::Same::operator()(const ExprPtr &a, const ExprPtr &b) const {
    return a->op == b->op && a->type == b->type && a->integer == b->integer &&
           std::bit_cast<uint64_t>(a->real) == std::bit_cast<uint64_t>(b->real) && a->variable == b->variable &&
           a->parameter == b->parameter && a->pattern == b->pattern && a->operands == b->operands;
}

ExprPtr Simplifier::intern(Node node) {
    auto made = std::make_shared<Node>(std::move(node));
    const auto found = infos_.find(made);
    if (found != infos_.end())
        return found->first;
    uint32_t reads = made->op == Op::variable ? 1u << static_cast<int>(made->variable) : 0;
    for (const ExprPtr &operand : made->operands)
        reads |= info(operand).reads;
    const ValueRange range = made->type == ExprType::integer ? node_range(*made) : any_value;
    if (made->op != Op::integer && range.low == range.high && exact(range))
        return integer(static_cast<int64_t>(range.low));
    infos_.emplace(made, Info{static_cast<int>(infos_.size()), reads, range});
    return made;
}

ExprPtr Simplifier::intern(Op op, ExprType type, std::vector<ExprPtr> operands) {
    Node node{};
    node.op = op;
    node.type = type;
    node.operands = std::move(operands);
    return intern(std::move(node));
}

bool Simplifier::before(const ExprPtr &a, const ExprPtr &b) const {
    const int x = rank(a), y = rank(b);
    return x != y ? x < y : info(a).id < info(b).id;
}

ValueRange Simplifier::node_range(const Node &node) const {
    const auto of = [&](size_t i) { return info(node.operands[i]).range; };
    switch (node.op) {
    case Op::integer:
        return unless_it_wraps(static_cast<double>(node.integer), static_cast<double>(node.integer));
    case Op::variable:
        return variable_range(node.variable);
    case Op::parameter:
    case Op::element:
        return {-0x1p31, 0x1p31};
    case Op::negate:
        return add_ranges({0, 0}, -1, of(0));
    case Op::add:
        return add_ranges(of(0), 1, of(1));
    case Op::subtract:
        return add_ranges(of(0), -1, of(1));
    case Op::multiply: {
        const ValueRange a = of(0), b = of(1);
        const auto [low, high] = std::minmax({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
        return unless_it_wraps(low, high);
    }
    case Op::divide: {  // |a / b| <= |a|, and of the sign of a where b is not negative
        const ValueRange a = of(0), b = of(1);
        const double most = std::max(std::abs(a.low), std::abs(a.high));
        return b.low >= 0 ? ValueRange{std::min(a.low, 0.0), std::max(a.high, 0.0)} : unless_it_wraps(-most, most);
    }
    case Op::modulo:
        return {std::min(of(1).low + 1, 0.0), std::max(of(1).high - 1, 0.0)};
    case Op::min:
        return {std::min(of(0).low, of(1).low), std::min(of(0).high, of(1).high)};
    case Op::max:
        return {std::max(of(0).low, of(1).low), std::max(of(0).high, of(1).high)};
    case Op::abs: {
        const ValueRange a = of(0);
        return unless_it_wraps(std::max({a.low, -a.high, 0.0}), std::max(std::abs(a.low), std::abs(a.high)));
    }
    case Op::select:
        return {std::min(of(1).low, of(2).low), std::max(of(1).high, of(2).high)};
    default:
        return any_value;  // floor of a real
    }
}

ExprPtr Simplifier::integer(int64_t value) {
    Node node{};
    node.op = Op::integer;
    node.type = ExprType::integer;
    node.integer = value;
    return intern(std::move(node));
}

ExprPtr Simplifier::boolean(bool value) {
    Node node{};
    node.op = Op::boolean;
    node.type = ExprType::boolean;
    node.integer = value;
    return intern(std::move(node));
}

ExprPtr Simplifier::variable(Variable variable) {
    if (variable == Variable::q_abs)
        return sum(combine(combine(linear(this->variable(Variable::q)), 1, linear(this->variable(Variable::seq_len_kv))), -1,
                           linear(this->variable(Variable::seq_len_q))));
    Node node{};
    node.op = Op::variable;
    node.type = variable == Variable::s || variable == Variable::head_dim ? ExprType::real : ExprType::integer;
    node.variable = variable;
    return intern(std::move(node));
}

ExprPtr Simplifier::simplify(const ExprPtr &root) {
    const auto known = simplified_.find(root.get());
    if (known != simplified_.end())
        return known->second;
    std::vector<ExprPtr> operands;
    if (root->op != Op::helper)
        for (const ExprPtr &operand : root->operands)
            operands.push_back(simplify(operand));
    const ExprPtr result = root->op == Op::helper ? simplify(root->body) : rebuild(*root, std::move(operands));
    sources_.push_back(root);
    simplified_[root.get()] = result;
    return result;
}

ExprPtr Simplifier::rebuild(const Node &node, std::vector<ExprPtr> operands) {
    const bool integers = !operands.empty() && operands[0]->type == ExprType::integer;
    switch (node.op) {
    case Op::variable:
        return variable(node.variable);
    case Op::logical_not:
        return logical_not(operands[0]);
    case Op::logical_and:
        return logical_and(operands[0], operands[1]);
    case Op::logical_or:
        return logical_or(operands[0], operands[1]);
    case Op::select:
        return select(operands[0], operands[1], operands[2]);
    case Op::less:
    case Op::less_equal:
    case Op::greater:
    case Op::greater_equal:
    case Op::equal:
    case Op::not_equal:
        return compare(node.op, operands[0], operands[1]);
    case Op::negate:
        if (integers)
            return subtract(integer(0), operands[0]);
        break;
    case Op::add:
        if (integers)
            return add(operands[0], operands[1]);
        break;
    case Op::subtract:
        if (integers)
            return subtract(operands[0], operands[1]);
        break;
    case Op::multiply:
        if (integers)
            return multiply(operands[0], operands[1]);
        break;
    case Op::divide:
        if (integers)
            return divide(operands[0], operands[1]);
        break;
    case Op::modulo:
        return modulo(operands[0], operands[1]);
    case Op::min:
        if (integers)
            return min(operands[0], operands[1]);
        break;
    case Op::max:
        if (integers)
            return max(operands[0], operands[1]);
        break;
    case Op::abs:
        if (integers)
            return abs(operands[0]);
        break;
    case Op::pattern:  // one for all heads: whichever head
        if (node.pattern->heads == 1)
            operands[0] = integer(0);
        break;
    default:
        break;
    }
    Node made = node;
    made.operands = std::move(operands);
    made.column = 0;
    made.helper.clear();
    made.body = nullptr;
    return intern(std::move(made));
}

// ---- sums

LinearForm Simplifier::linear(const ExprPtr &e) const {
    switch (e->op) {
    case Op::integer:
        return {{}, e->integer};
    case Op::negate:
        return combine({}, -1, linear(e->operands[0]));
    case Op::add:
        return combine(linear(e->operands[0]), 1, linear(e->operands[1]));
    case Op::subtract:
        return combine(linear(e->operands[0]), -1, linear(e->operands[1]));
    case Op::multiply:
        if (is_integer(e->operands[0]))
            return combine({}, e->operands[0]->integer, linear(e->operands[1]));
        [[fallthrough]];
    default:
        return {{{e, 1}}, 0};
    }
}

LinearForm Simplifier::combine(const LinearForm &a, int64_t factor, const LinearForm &b) const {
    // Coefficients wrap as the values do, so the form's value is right modulo 2^64, and right where its range is small.
    LinearForm out;
    out.constant = wrapping_add(a.constant, wrapping_multiply(factor, b.constant));
    size_t i = 0, j = 0;
    while (i < a.terms.size() || j < b.terms.size()) {
        LinearForm::Term term;
        if (j == b.terms.size() || (i < a.terms.size() && before(a.terms[i].atom, b.terms[j].atom))) {
            term = a.terms[i++];
        } else {
            term = {b.terms[j].atom, wrapping_multiply(factor, b.terms[j].coefficient)};
            if (i < a.terms.size() && a.terms[i].atom == term.atom)
                term.coefficient = wrapping_add(term.coefficient, a.terms[i++].coefficient);
            j++;
        }
        if (term.coefficient != 0)
            out.terms.push_back(term);
    }
    return out;
}

ExprPtr Simplifier::sum(const LinearForm &form) {
    if (form.is_constant())
        return integer(form.constant);
    std::vector<LinearForm::Term> terms = form.terms;
    const auto positive = std::find_if(terms.begin(), terms.end(), [](const auto &t) { return t.coefficient > 0; });
    if (positive != terms.end())
        std::rotate(terms.begin(), positive, positive + 1);
    ExprPtr total;
    int64_t constant = form.constant;
    if (positive == terms.end() && constant > 0) {  // 3 - q rather than -q + 3
        total = integer(constant);
        constant = 0;
    }
    for (const auto &[atom, coefficient] : terms) {
        const bool minus = coefficient < 0 && coefficient != INT64_MIN && total;
        const int64_t factor = minus ? -coefficient : coefficient;
        const ExprPtr piece = factor == 1    ? atom
                              : factor == -1 ? intern(Op::negate, ExprType::integer, {atom})
                                             : intern(Op::multiply, ExprType::integer, {integer(factor), atom});
        total = total ? intern(minus ? Op::subtract : Op::add, ExprType::integer, {total, piece}) : piece;
    }
    if (constant != 0) {
        const bool minus = constant < 0 && constant != INT64_MIN;
        total = intern(minus ? Op::subtract : Op::add, ExprType::integer, {total, integer(minus ? -constant : constant)});
    }
    return total;
}

ValueRange Simplifier::range(const LinearForm &form) const {
    ValueRange total = unless_it_wraps(static_cast<double>(form.constant), static_cast<double>(form.constant));
    std::vector<LinearForm::Term> terms = form.terms;
    // A block's last is not before its first: c * last - c * first is 0 … c * 2^28.
    for (const auto &[first, last] : {std::pair{Variable::q_first, Variable::q_last}, {Variable::kv_first, Variable::kv_last}}) {
        const auto find = [&](Variable v) {
            return std::find_if(terms.begin(), terms.end(),
                                [&](const auto &t) { return t.atom->op == Op::variable && t.atom->variable == v; });
        };
        const auto a = find(first), b = find(last);
        if (a == terms.end() || b == terms.end() || (a->coefficient < 0) == (b->coefficient < 0))
            continue;
        const int64_t shared = b->coefficient > 0 ? std::min(b->coefficient, wrapping_multiply(-1, a->coefficient))
                                                  : -std::min(wrapping_multiply(-1, b->coefficient), a->coefficient);
        total = add_ranges(total, static_cast<double>(shared), {0, longest});
        a->coefficient += shared;
        b->coefficient -= shared;
    }
    for (const auto &[atom, coefficient] : terms)
        total = add_ranges(total, static_cast<double>(coefficient), info(atom).range);
    return total;
}

// ---- integers

ExprPtr Simplifier::add(const ExprPtr &a, const ExprPtr &b) {
    return sum(combine(linear(a), 1, linear(b)));
}

ExprPtr Simplifier::subtract(const ExprPtr &a, const ExprPtr &b) {
    return sum(combine(linear(a), -1, linear(b)));
}

ExprPtr Simplifier::multiply(const ExprPtr &a, const ExprPtr &b) {
    const LinearForm x = linear(a), y = linear(b);
    if (x.is_constant())
        return sum(combine({}, x.constant, y));
    if (y.is_constant())
        return sum(combine({}, y.constant, x));
    return before(a, b) ? intern(Op::multiply, ExprType::integer, {a, b}) : intern(Op::multiply, ExprType::integer, {b, a});
}

ExprPtr Simplifier::divide(const ExprPtr &a, const ExprPtr &b) {
    if (is_integer(a) && is_integer(b))
        return integer(floor_divide(a->integer, b->integer));
    if (is_integer(a, 0) || is_integer(b, 0))
        return integer(0);
    if (is_integer(b, 1))
        return a;
    if (is_integer(b, -1))
        return subtract(integer(0), a);
    if (is_integer(b) && range(a).small()) {
        // (n * x + r) / n = x + r / n
        const int64_t n = b->integer;
        LinearForm whole, rest = linear(a);
        for (auto &[atom, coefficient] : rest.terms)
            if (coefficient % n == 0) {
                whole.terms.push_back({atom, coefficient / n});
                coefficient = 0;
            }
        std::erase_if(rest.terms, [](const auto &t) { return t.coefficient == 0; });
        whole.constant = floor_divide(rest.constant, n);
        rest.constant = floor_modulo(rest.constant, n);
        if (within(range(rest), n))
            return sum(whole);
        if (!whole.terms.empty() && range(rest).small())
            return sum(combine(whole, 1, linear(divide(sum(rest), b))));
    }
    return intern(Op::divide, ExprType::integer, {a, b});
}

ExprPtr Simplifier::modulo(const ExprPtr &a, const ExprPtr &b) {
    if (is_integer(a) && is_integer(b))
        return integer(floor_modulo(a->integer, b->integer));
    if (is_integer(a, 0) || is_integer(b, 0) || is_integer(b, 1) || is_integer(b, -1))
        return integer(0);
    if (is_integer(b) && range(a).small()) {
        const int64_t n = b->integer;
        LinearForm rest = linear(a);
        std::erase_if(rest.terms, [&](const auto &t) { return t.coefficient % n == 0; });
        if (rest.is_constant())
            return integer(floor_modulo(rest.constant, n));
        if (within(range(rest), n))
            return sum(rest);
        if (range(rest).small() && rest.terms.size() < linear(a).terms.size())
            return intern(Op::modulo, ExprType::integer, {sum(rest), b});
    }
    return intern(Op::modulo, ExprType::integer, {a, b});
}

ExprPtr Simplifier::min(const ExprPtr &a, const ExprPtr &b) {
    if (a == b)
        return a;
    if (range(a).small() && range(b).small()) {
        const ValueRange r = range(combine(linear(a), -1, linear(b)));
        if (exact(r) && r.high <= 0)
            return a;
        if (exact(r) && r.low >= 0)
            return b;
    }
    return before(a, b) ? intern(Op::min, ExprType::integer, {a, b}) : intern(Op::min, ExprType::integer, {b, a});
}

ExprPtr Simplifier::max(const ExprPtr &a, const ExprPtr &b) {
    if (a == b)
        return a;
    if (range(a).small() && range(b).small()) {
        const ValueRange r = range(combine(linear(a), -1, linear(b)));
        if (exact(r) && r.high <= 0)
            return b;
        if (exact(r) && r.low >= 0)
            return a;
    }
    return before(a, b) ? intern(Op::max, ExprType::integer, {a, b}) : intern(Op::max, ExprType::integer, {b, a});
}

ExprPtr Simplifier::abs(const ExprPtr &a) {
    const ValueRange r = range(a);
    if (r.small() && r.low >= 0)
        return a;
    if (r.small() && r.high <= 0)
        return subtract(integer(0), a);
    return intern(Op::abs, ExprType::integer, {a});
}

// ---- comparisons

ExprPtr Simplifier::compare(Op op, const ExprPtr &a, const ExprPtr &b) {
    if (a->type == ExprType::integer) {
        if (range(a).small() && range(b).small())
            return compare_zero(op, combine(linear(a), -1, linear(b)));
        if (a == b)
            return boolean(op == Op::equal || op == Op::less_equal || op == Op::greater_equal);
    } else if (a->type == ExprType::boolean) {
        if (a == b)
            return boolean(op == Op::equal);
        const ExprPtr &constant = a->op == Op::boolean ? a : b, &other = a->op == Op::boolean ? b : a;
        if (constant->op == Op::boolean)
            return is_true(constant) == (op == Op::equal) ? other : logical_not(other);
    }
    return intern(op, ExprType::boolean, {a, b});
}

ExprPtr Simplifier::compare_zero(Op op, LinearForm form) {
    // One of form <= 0, form == 0, form != 0.
    if (op == Op::greater || op == Op::greater_equal)
        form = combine({}, -1, form);
    if (op == Op::less || op == Op::greater)
        form.constant = wrapping_add(form.constant, 1);
    if (op != Op::equal && op != Op::not_equal)
        op = Op::less_equal;

    const ValueRange r = range(form);
    if (exact(r)) {
        if (op == Op::less_equal && (r.high <= 0 || r.low > 0))
            return boolean(r.high <= 0);
        if (op != Op::less_equal && (r.high < 0 || r.low > 0))
            return boolean(op == Op::not_equal);
    }
    if (form.is_constant())
        return boolean(op == Op::less_equal ? form.constant <= 0 : (form.constant == 0) == (op == Op::equal));

    if (op == Op::less_equal)
        if (const ExprPtr split = compare_extremum(form))
            return split;

    // 2 * q <= 5 is q <= 2.
    int64_t divisor = 0;
    for (const auto &term : form.terms)
        divisor = std::gcd(divisor, term.coefficient);
    if (divisor > 1) {
        if (op != Op::less_equal && floor_modulo(form.constant, divisor) != 0)
            return boolean(op == Op::not_equal);
        for (auto &term : form.terms)
            term.coefficient /= divisor;
        form.constant = -floor_divide(-form.constant, divisor);
    }

    // Keys to the left, else rows with the lengths that make them absolute, else the first term; the rest to the right.
    const auto about = [&](const ExprPtr &e, std::initializer_list<Variable> variables) {
        return std::any_of(variables.begin(), variables.end(), [&](Variable v) { return reads(e, v); });
    };
    const auto is_key = [&](const auto &t) { return about(t.atom, {Variable::kv, Variable::kv_first, Variable::kv_last}); };
    const auto is_row = [&](const auto &t) { return about(t.atom, {Variable::q, Variable::q_first, Variable::q_last}); };
    const auto is_length = [](const auto &t) { return rank(t.atom) >= 20; };
    const bool keys = std::any_of(form.terms.begin(), form.terms.end(), is_key);
    const bool rows = !keys && std::any_of(form.terms.begin(), form.terms.end(), is_row);
    LinearForm left, right;
    for (const auto &term : form.terms) {
        const bool to_left = keys ? is_key(term) : rows ? is_row(term) || is_length(term) : left.terms.empty();
        (to_left ? left : right).terms.push_back(term);
    }
    right.constant = form.constant;
    if (right.is_constant() && right.constant == 0) {  // a == b rather than a - b == 0
        const auto minus = std::stable_partition(left.terms.begin(), left.terms.end(), [](const auto &t) { return t.coefficient > 0; });
        if (minus != left.terms.begin()) {
            right.terms.assign(minus, left.terms.end());
            left.terms.erase(minus, left.terms.end());
        }
    }
    const bool flip = left.terms[0].coefficient < 0;
    if (flip)
        left = combine({}, -1, left);
    else
        right = combine({}, -1, right);
    if (op == Op::less_equal) {
        op = flip ? Op::greater_equal : Op::less_equal;
        if (right.constant == (flip ? 1 : -1)) {  // a <= b - 1 reads better as a < b
            op = flip ? Op::greater : Op::less;
            right.constant = 0;
        }
    }
    return intern(op, ExprType::boolean, {sum(left), sum(right)});
}

namespace {

bool is_extremum(const ExprPtr &e) {
    return e->op == Op::min || e->op == Op::max;
}

/// Whether at most `budget` minima and maxima nest at the top of e; takes them from it.
bool few_extrema(const ExprPtr &e, int &budget) {
    return !is_extremum(e) || (budget-- > 0 && few_extrema(e->operands[0], budget) && few_extrema(e->operands[1], budget));
}

}  // namespace

/// form <= 0 where it has one minimum or maximum: max(a, b) <= c is a <= c && b <= c. Null elsewhere.
ExprPtr Simplifier::compare_extremum(const LinearForm &form) {
    int most = 4;  // a hull of hundreds of ranges nests as many
    const auto has_extremum = [](const auto &t) { return is_extremum(t.atom); };
    const auto found = std::find_if(form.terms.begin(), form.terms.end(), has_extremum);
    if (found == form.terms.end() || std::count_if(form.terms.begin(), form.terms.end(), has_extremum) > 1)
        return nullptr;
    const ExprPtr atom = found->atom;
    if (!few_extrema(atom, most))
        return nullptr;
    LinearForm rest = form;
    rest.terms.erase(rest.terms.begin() + (found - form.terms.begin()));
    ExprPtr parts[2];
    for (size_t i = 0; i < 2; i++) {
        if (!range(atom->operands[i]).small())
            return nullptr;
        parts[i] = compare_zero(Op::less_equal, combine(rest, found->coefficient, linear(atom->operands[i])));
    }
    const bool both = (atom->op == Op::max) == (found->coefficient > 0);
    return both ? logical_and(parts[0], parts[1]) : logical_or(parts[0], parts[1]);
}

// ---- logic

ExprPtr Simplifier::logical_not(const ExprPtr &a) {
    if (a->op == Op::boolean)
        return boolean(a->integer == 0);
    if (a->op == Op::logical_not)
        return a->operands[0];
    // Not of reals: both a < NaN and a >= NaN are false.
    if (comparison(a->op) && a->operands[0]->type == ExprType::integer)
        return compare(inverse(a->op), a->operands[0], a->operands[1]);
    return intern(Op::logical_not, ExprType::boolean, {a});
}

bool Simplifier::implies(const ExprPtr &a, const ExprPtr &b) const {
    // a is x <= 0 and b is y <= 0, where y <= x.
    const auto form = [&](const ExprPtr &e) -> std::optional<LinearForm> {
        if (!comparison(e->op) || e->op == Op::equal || e->op == Op::not_equal || e->operands[0]->type != ExprType::integer ||
            !range(e->operands[0]).small() || !range(e->operands[1]).small())
            return std::nullopt;
        const bool greater = e->op == Op::greater || e->op == Op::greater_equal;
        LinearForm out = combine(linear(e->operands[greater]), -1, linear(e->operands[!greater]));
        out.constant += e->op == Op::less || e->op == Op::greater;
        return out;
    };
    const auto x = form(a), y = form(b);
    if (!x || !y)
        return false;
    const ValueRange r = range(combine(*y, -1, *x));
    return exact(r) && r.high <= 0;
}

/// a op b, op being "and" or "or", of which `neutral` (true, false) changes nothing.
ExprPtr Simplifier::logical(Op op, const ExprPtr &a, const ExprPtr &b) {
    const bool neutral = op == Op::logical_and;
    if (a->op == Op::boolean)
        return (a->integer != 0) == neutral ? b : a;
    if (b->op == Op::boolean)
        return (b->integer != 0) == neutral ? a : b;
    if (b->op == op)
        return logical(op, logical(op, a, b->operands[0]), b->operands[1]);
    // One of the parts of a chain may decide: a && (a || c) is a, and so is a && b where a implies b.
    const auto has = [](const ExprPtr &chain, const ExprPtr &part) { return chain->operands[0] == part || chain->operands[1] == part; };
    const auto weaker = [&](const ExprPtr &x, const ExprPtr &y) {  // x op y is y
        return x == y || (x->op != op && (x->op == Op::logical_and || x->op == Op::logical_or) && has(x, y)) ||
               (op == Op::logical_and ? implies(y, x) : implies(x, y));
    };
    if (weaker(b, a))
        return a;
    if (weaker(a, b))
        return b;
    if (a->op == op) {
        const ExprPtr &rest = a->operands[0], &last = a->operands[1];
        if (weaker(b, last) || weaker(b, rest))
            return a;
        if (weaker(last, b))
            return logical(op, rest, b);
    }
    return intern(op, ExprType::boolean, {a, b});
}

ExprPtr Simplifier::select(const ExprPtr &condition, const ExprPtr &a, const ExprPtr &b) {
    if (is_true(condition) || a == b)
        return a;
    if (is_false(condition))
        return b;
    if (condition->op == Op::logical_not)
        return select(condition->operands[0], b, a);
    if (a->type == ExprType::boolean) {
        if (is_true(a))
            return logical_or(condition, b);
        if (is_false(a))
            return logical_and(logical_not(condition), b);
        if (is_true(b))
            return logical_or(logical_not(condition), a);
        if (is_false(b))
            return logical_and(condition, a);
    }
    return intern(Op::select, a->type, {condition, a, b});
}

}  // namespace attune

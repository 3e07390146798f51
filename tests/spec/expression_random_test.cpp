// Random trees and random texts: what is printed means the same, and nothing crashes.
#include "generator/spec/typing.h"

#include "tests/spec/expressions.h"

#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <random>

namespace attune {
namespace {

/// Well-typed trees of every operation, from a seed.
class RandomTree {
public:
    explicit RandomTree(uint64_t seed) : random_(seed) {}

    ExprPtr tree(ExprType type, int depth) {
        if (depth <= 0) return leaf(type);
        try {
            switch (type) {
            case ExprType::boolean: return boolean(depth);
            case ExprType::integer: return integer(depth);
            case ExprType::real: return real(depth);
            }
        } catch (const TypeProblem &) {  // a constant divisor of 0
        }
        return leaf(type);
    }
    int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }

private:
    ExprPtr leaf(ExprType type) {
        if (type == ExprType::boolean)
            return below(4) == 0 ? make_boolean(below(2)) : test::parse_mask(below(2) ? "causal" : "kv < 7").root;
        if (type == ExprType::integer) {
            switch (below(4)) {
            case 0: return make_variable(static_cast<Variable>(below(static_cast<int>(Variable::seq_len_kv) + 1)));
            case 1: return element(0, {});
            case 2: return make_integer(below(50) == 0 ? INT64_MIN : below(50) == 0 ? INT64_MAX : below(41) - 20);
            default: return element(2, {make_variable(Variable::b), make_variable(Variable::kv)});
            }
        }
        switch (below(4)) {
        case 0: return make_variable(Variable::s);
        case 1: return element(1, {});
        case 2: return element(4, {make_variable(Variable::h)});
        default: {
            constexpr double values[] = {0, -0.0, 1, -2, 0.1, 1e30, 1e-30, 3.5, -7.25, 0x1p53, 0x1p60, 1e300, 5e-324};
            return make_real(values[below(std::size(values))]);
        }
        }
    }

    ExprPtr element(int parameter, std::vector<ExprPtr> indices) {
        const Op op = indices.empty() ? Op::parameter : Op::element;
        auto node = std::make_shared<Node>(*make_node(op, test::params()[static_cast<size_t>(parameter)].type(), std::move(indices)));
        node->parameter = parameter;
        return node;
    }

    ExprPtr number(int depth) { return tree(below(2) ? ExprType::integer : ExprType::real, depth); }

    ExprPtr boolean(int depth) {
        switch (below(5)) {
        case 0: return typed_node(Op::logical_not, {tree(ExprType::boolean, depth - 1)}, "!");
        case 1:
            return typed_node(pick({Op::logical_and, Op::logical_or, Op::equal, Op::not_equal}),
                              {tree(ExprType::boolean, depth - 1), tree(ExprType::boolean, depth - 1)}, "op");
        case 2: return typed_node(Op::bit, {tree(ExprType::integer, depth - 1), tree(ExprType::integer, depth - 1)}, "bit");
        case 3: return select(ExprType::boolean, depth);
        default:
            return typed_node(pick({Op::less, Op::less_equal, Op::greater, Op::greater_equal, Op::equal, Op::not_equal}),
                              {number(depth - 1), number(depth - 1)}, "op");
        }
    }

    ExprPtr integer(int depth) {
        switch (below(5)) {
        case 0: return typed_node(pick({Op::negate, Op::abs}), {tree(ExprType::integer, depth - 1)}, "op");
        case 1: return typed_node(Op::floor, {number(depth - 1)}, "floor");
        case 2: return select(ExprType::integer, depth);
        case 3: {  // not constant: those are checked against the dims
            const ExprPtr index = typed_node(Op::subtract, {tree(ExprType::integer, depth - 1), make_variable(Variable::kv)}, "-");
            return element(3, {index, index});
        }
        default:
            return typed_node(pick({Op::add, Op::subtract, Op::multiply, Op::divide, Op::modulo, Op::min, Op::max}),
                              {tree(ExprType::integer, depth - 1), tree(ExprType::integer, depth - 1)}, "op");
        }
    }

    ExprPtr real(int depth) {
        switch (below(6)) {
        case 0: return typed_node(pick({Op::negate, Op::abs}), {tree(ExprType::real, depth - 1)}, "op");
        case 1:
            return typed_node(pick({Op::exp, Op::exp2, Op::log, Op::log2, Op::sqrt, Op::rsqrt, Op::tanh, Op::sigmoid}), {number(depth - 1)},
                              "f");
        case 2: return select(ExprType::real, depth);
        case 3: return typed_node(Op::to_real, {tree(ExprType::integer, depth - 1)}, "float");
        case 4:
            return typed_node(pick({Op::add, Op::subtract, Op::multiply, Op::divide, Op::min, Op::max}),
                              {tree(ExprType::real, depth - 1), tree(ExprType::integer, depth - 1)}, "op");
        default:
            return typed_node(pick({Op::add, Op::subtract, Op::multiply, Op::divide, Op::min, Op::max}),
                              {number(depth - 1), tree(ExprType::real, depth - 1)}, "op");
        }
    }

    ExprPtr select(ExprType type, int depth) {
        return typed_node(Op::select, {tree(ExprType::boolean, depth - 1), tree(type, depth - 1), tree(type, depth - 1)}, "select");
    }

    Op pick(std::initializer_list<Op> ops) { return ops.begin()[below(static_cast<int64_t>(ops.size()))]; }

    std::mt19937_64 random_;
};

bool same(const Program::Value &a, const Program::Value &b) {
    return a.integer == b.integer &&
           ((std::isnan(a.real) && std::isnan(b.real)) || std::bit_cast<uint64_t>(a.real) == std::bit_cast<uint64_t>(b.real));
}

void check_round_trip(uint64_t seed) {
    RandomTree random(seed);
    const ExprType type = random.below(2) ? ExprType::boolean : ExprType::real;
    const ExprPtr tree = random.tree(type, 1 + static_cast<int>(random.below(6)));
    const std::string text = print_expression(tree, test::params());
    ExpressionContext context = test::context_of(type);
    context.allow_s = true;
    const Expression read = parse_expression(text, context);
    RC_ASSERT(read.text == text);
    RC_ASSERT(read.root->type == type);
    const auto params = test::param_values();
    Program before({tree}), after({read.root});
    for (int i = 0; i < 8; i++) {
        const test::Pair pair = {.q = random.below(30),
                                 .kv = random.below(40),
                                 .seq_len_q = 1 + random.below(30),
                                 .seq_len_kv = 1 + random.below(40),
                                 .b = random.below(2),
                                 .h = random.below(3),
                                 .hkv = random.below(2),
                                 .s = static_cast<double>(random.below(2001) - 1000) / 64};
        RC_ASSERT(same(before.run(pair.bindings(), params)[0], after.run(pair.bindings(), params)[0]));
    }
}

TEST(RandomExpressions, PrintAndParseToTheSame) {
    EXPECT_TRUE(rc::check("print, parse", [] {
        const uint64_t seed = *rc::gen::noShrink(rc::gen::resize(100, rc::gen::arbitrary<uint64_t>()));
        for (uint64_t i = 0; i < 20; i++) check_round_trip(seed * 20 + i);
    }));
}

/// A result, or an Error of the user's with all its parts: anything else is a fault of ours.
void check_text(const std::string &text) {
    for (const ExprType type : {ExprType::boolean, ExprType::real}) {
        ExpressionContext context = test::context_of(type);
        context.allow_head_dim = text.size() % 7 == 0;
        try {
            const Expression e = parse_expression(text, context);
            RC_ASSERT(e.root->type == type);
            RC_ASSERT(parse_expression(e.text, context).text == e.text);
            evaluate(e.root, test::Pair{.q = 1, .kv = 2, .seq_len_q = 3, .seq_len_kv = 4}.bindings(), test::param_values());
        } catch (const Error &error) {
            const ErrorDetails &d = error.details();
            RC_ASSERT(d.code == ErrorCode::usage);
            RC_ASSERT(!d.expected.empty() && !d.cure.empty() && d.column >= 1);
            RC_ASSERT(static_cast<size_t>(d.column) <= text.size() + 1);
            RC_ASSERT(std::string(error.what()).find('\n') == std::string::npos);
        }
        try {
            const ParamDeclaration p = test::param("p", text);
            RC_ASSERT(test::param("p", p.text()) == p);
        } catch (const Error &) {}
    }
}

TEST(RandomTexts, OfBytesAreErrorsOrExpressions) {
    EXPECT_TRUE(rc::check("bytes", [](const std::string &text) { check_text(text); }));
}

TEST(RandomTexts, OfWordsAreErrorsOrExpressions) {
    EXPECT_TRUE(rc::check("words", [] {
        static const std::vector<std::string> words = {
            "kv", "q", "q_abs", "h", "s", "n", "ids", "bias", "table", "allowed", "slopes", "words", "causal", "window(", "softcap(",
            "alibi(slopes)", "document(ids)", "select(", "min(", "floor(", "bit(", "blocks(\"a.npy\",", "tree(words,",
            "bigbird(4,4,1,1,1,", "relative_bias(table, 32, 128)", "neighborhood2d(4,4,", "(", ")", "[", "]", ",", "+", "-", "*", "/",
            "%", "<", "<=", "==", "!=", "&&", "||", "!", "0", "1", "32", "2.5", "1e9", "9223372036854775807", "true", "false", "i32",
            "f32", "nondecreasing", "'", "\"", "\n", "\xc3\xa4", "head_dim"};
        const auto picked = *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, words.size()));
        std::string text;
        for (const size_t i : picked) text += words[i] + (i % 3 == 0 ? "" : " ");
        check_text(text);
    }));
}

TEST(RandomTexts, OfMutatedExpressionsAreErrorsOrExpressions) {
    EXPECT_TRUE(rc::check("mutations", [] {
        static const std::vector<std::string> texts = {
            "causal && window(255) || prefix(n)",     "softcap(s - slopes[h] * abs(q_abs - kv), 50.0)",
            "document(ids) && (q_abs - kv) % 3 == 0", "select(h < 4, neighborhood2d(8, 8, 3, 2), bigbird(8, 16, 3, 1, 2, 7))",
            "tree(words, 12) && !allowed[0, kv]",     "relative_bias(table, 32, 128) + bias * exp2(-x)"};
        std::string text = texts[*rc::gen::inRange<size_t>(0, texts.size())];
        const int changes = *rc::gen::inRange(1, 6);
        for (int i = 0; i < changes && !text.empty(); i++) {
            const size_t at = *rc::gen::inRange<size_t>(0, text.size()), length = *rc::gen::inRange<size_t>(0, 8);
            switch (*rc::gen::inRange(0, 4)) {
            case 0: text.erase(at, length); break;
            case 1: text[at] = static_cast<char>(*rc::gen::inRange(0, 256)); break;
            case 2: text.insert(at, text.substr(at / 2, length)); break;
            default: text.insert(at, text.substr(at)); break;
            }
        }
        check_text(text);
    }));
}

}  // namespace
}  // namespace attune

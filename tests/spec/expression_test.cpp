// What expressions mean, and how they are printed.
#include "tests/spec/expressions.h"

#include <cmath>

namespace attune {
namespace {

using test::Pair;
using test::parse_mask;
using test::parse_score;

const Pair pair = {.q = 2, .kv = 5, .seq_len_q = 10, .seq_len_kv = 30, .b = 1, .h = 2, .hkv = 1, .s = 0.5};

double value(const std::string &score) { return evaluate(parse_score(score).root, pair.bindings(), test::param_values()).real; }
bool holds(const std::string &mask) { return evaluate(parse_mask(mask).root, pair.bindings(), test::param_values()).integer != 0; }

TEST(Expressions, ReadTheirVariables) {
    EXPECT_TRUE(holds("b == 1 && h == 2 && hkv == 1 && q == 2 && kv == 5 && seq_len_q == 10 && seq_len_kv == 30"));
    EXPECT_TRUE(holds("q_abs == 22"));
    EXPECT_EQ(value("s"), 0.5);
}

TEST(Expressions, BindAsInC) {
    EXPECT_EQ(value("1 + 2 * 3"), 7);
    EXPECT_EQ(value("10 - 4 - 3"), 3);
    EXPECT_EQ(value("100 / 10 / 2"), 5);
    EXPECT_EQ(value("7 % 4 * 2"), 6);
    EXPECT_EQ(value("-2 * 3"), -6);
    EXPECT_EQ(value("2 - -3"), 5);
    EXPECT_TRUE(holds("false && false || true"));
    EXPECT_TRUE(holds("true || true && false"));
    EXPECT_TRUE(holds("!false && true"));
    EXPECT_TRUE(holds("1 + 1 < 3 && 3 >= 1 * 3"));
    EXPECT_FALSE(holds("true == (1 > 2)"));
    EXPECT_TRUE(holds("(kv < 3) != (q < 3)"));
}

TEST(Expressions, DivideIntegersDownwards) {
    const struct {
        const char *text;
        double expected;
    } cases[] = {{"7 / 2", 3},
                 {"-7 / 2", -4},
                 {"7 / -2", -4},
                 {"-7 / -2", 3},
                 {"-6 / 2", -3},
                 {"7 % 3", 1},
                 {"-7 % 3", 2},
                 {"7 % -3", -2},
                 {"-7 % -3", -1},
                 {"-6 % 3", 0},
                 {"7 / (n - 3)", 0},
                 {"7 % (n - 3)", 0},
                 {"-9223372036854775807 / -1", 9223372036854775807.0},
                 {"7.0 / 2", 3.5},
                 {"7 / 2.0", 3.5},
                 {"1 / 2 + 0.5", 0.5}};
    for (const auto &[text, expected] : cases) EXPECT_EQ(value(text), expected) << text;
}

TEST(Expressions, WrapIn64Bits) {
    EXPECT_TRUE(holds("9223372036854775807 + 1 < 0"));
    EXPECT_TRUE(holds("(-9223372036854775807 - 1) / -1 < 0"));
    EXPECT_TRUE(holds("(-9223372036854775807 - 1) % -1 == 0"));
    EXPECT_TRUE(holds("abs(-9223372036854775807 - 1) < 0"));
}

TEST(Expressions, HaveFunctions) {
    EXPECT_EQ(value("min(3, 2)"), 2);
    EXPECT_EQ(value("max(3, 2.5)"), 3);
    EXPECT_EQ(value("abs(-3)"), 3);
    EXPECT_EQ(value("abs(-2.5)"), 2.5);
    EXPECT_EQ(value("select(kv < 3, 1, 2.5)"), 2.5);
    EXPECT_TRUE(holds("select(h < 2, kv < 0, kv < 6)"));
    EXPECT_EQ(value("exp(s)"), std::exp(0.5));
    EXPECT_EQ(value("exp2(3)"), 8);
    EXPECT_EQ(value("log(s)"), std::log(0.5));
    EXPECT_EQ(value("log2(8)"), 3);
    EXPECT_EQ(value("sqrt(9)"), 3);
    EXPECT_EQ(value("rsqrt(4)"), 0.5);
    EXPECT_EQ(value("tanh(s)"), std::tanh(0.5));
    EXPECT_EQ(value("sigmoid(0)"), 0.5);
    EXPECT_EQ(value("floor(-2.5)"), -3);
    EXPECT_EQ(value("floor(1e300) - 9223372036854775807"), 0);
    EXPECT_EQ(value("float(7) / 2"), 3.5);
    EXPECT_TRUE(holds("bit(5, 0) && !bit(5, 1) && bit(5, 2)"));
    EXPECT_TRUE(holds("bit(-1, 31) && !bit(-1, 32) && !bit(-1, -1)"));
}

TEST(Expressions, ReadParameters) {
    EXPECT_EQ(value("n"), 3);
    EXPECT_EQ(value("x"), 1.5);
    EXPECT_EQ(value("slopes"), 0.75);  // of head 2
    EXPECT_EQ(value("slopes[0]"), 0.25);
    EXPECT_DOUBLE_EQ(value("bias"), 0.001 * (2 * 1600 + 2 * 40 + 5));
    EXPECT_EQ(value("bias[b, h, q, kv]"), value("bias"));  // the dim declared 1 ignores its index
    EXPECT_EQ(value("table[1, n + 1]"), 36);
    EXPECT_TRUE(holds("ids == 0 && ids[b, 7] == 1"));
    EXPECT_TRUE(holds("allowed[0, kv + 1]"));
}

TEST(Expressions, ClampIndices) {
    EXPECT_EQ(value("table[h, n - 100]"), 64);
    EXPECT_EQ(value("table[h, kv + 100]"), 95);
    EXPECT_EQ(value("slopes[h + 100]"), 0.75);
}

TEST(Expressions, PrintInCanonicalForm) {
    const struct {
        const char *written, *printed;
    } masks[] = {
        {"  causal&&window( 255 )", "causal && window(255)"},
        {"((kv))<=((q_abs))", "kv <= q_abs"},
        {"(kv<3)&&((q<3)&&(h<3))", "kv < 3 && (q < 3 && h < 3)"},
        {"kv < 3 && q < 3 && h < 3", "kv < 3 && q < 3 && h < 3"},
        {"(kv < 3 || q < 3) && h < 3", "(kv < 3 || q < 3) && h < 3"},
        {"!(kv < 3)", "!(kv < 3)"},
        {"!!causal", "!!causal"},
        {"kv - (q - 1) < -(q + 1)", "kv - (q - 1) < -(q + 1)"},
        {"kv + -1 < --q", "kv + -1 < -(-q)"},
        {"(kv < q) == (q < 3)", "(kv < q) == (q < 3)"},
        {"kv * (q / 2) % 3 < 1", "kv * (q / 2) % 3 < 1"},
        {"ids == 3", "ids[b, kv] == 3"},
        {"kv < 1e1", "kv < 10.0"},
        {"window(n, 2 * n)", "window(n, 2 * n)"},
        {"document(ids)", "document(ids)"},
        {"bigbird(8, 64, 3, 1, 2, 0)", "bigbird(8, 64, 3, 1, 2, 0)"},
    };
    for (const auto &[written, printed] : masks) {
        EXPECT_EQ(parse_mask(written).text, printed) << written;
        EXPECT_EQ(parse_mask(printed).text, printed);
    }
    const struct {
        const char *written, *printed;
    } scores[] = {
        {"s+bias", "s + bias[0, h, q, kv]"},
        {"softcap(s,50.0)", "softcap(s, 50)"},
        {"s * 2.0 - float(kv)", "s * 2 - kv"},
        {"float(kv) * 2.0", "kv * 2.0"},
        {"float(q) / float(kv)", "float(q) / float(kv)"},
        {"q / kv", "float(q / kv)"},
        {"2.0 + 3", "2.0 + 3.0"},
        {"1e-3 * s", "0.001 * s"},
        {"s * 1e30", "s * 1e+30"},
        {"max(s, 0.0)", "max(s, 0)"},
        {"s + -0.0", "s + -0.0"},
        {"exp(2)", "exp(2)"},
        {"select(kv < 3, s, 0)", "select(kv < 3, s, 0)"},
        {"select(kv < 3, 1.0, 0)", "select(kv < 3, 1.0, 0.0)"},
        {"relative_bias(table, 32, 128)", "relative_bias(table, 32, 128)"},
    };
    for (const auto &[written, printed] : scores) {
        EXPECT_EQ(parse_score(written).text, printed) << written;
        EXPECT_EQ(parse_score(printed).text, printed);
    }
}

TEST(Expressions, KnowWhatTheyRead) {
    EXPECT_TRUE(mentions(parse_mask("causal").root, Variable::q));
    EXPECT_TRUE(mentions(parse_mask("causal").root, Variable::seq_len_q));
    EXPECT_FALSE(mentions(parse_mask("causal_top_left").root, Variable::seq_len_q));
    EXPECT_FALSE(mentions(parse_mask("causal && window(3)").root, Variable::h));
    EXPECT_TRUE(mentions(parse_mask("local_stride(16, 2, 4)").root, Variable::h));
    EXPECT_TRUE(mentions(parse_score("alibi(slopes)").root, Variable::s));
}

TEST(Expressions, LoseTheirSoftCaps) {
    const ExprPtr plain = without_soft_caps(parse_score("softcap(alibi(slopes) + softcap(bias, 3), 50) * 2").root);
    EXPECT_EQ(print_expression(plain, test::params()), "(s - slopes[h] * abs(q_abs - kv) + bias[0, h, q, kv]) * 2");
}

TEST(Expressions, SharePartsWithoutTheirCost) {
    // As a tree this would have 2^20 parts.
    ExprPtr doubled = make_variable(Variable::kv);
    for (int i = 0; i < 20; i++) doubled = make_node(Op::add, ExprType::integer, {doubled, doubled});
    EXPECT_EQ(evaluate(doubled, pair.bindings(), {}).integer, 5 << 20);
    EXPECT_FALSE(mentions(doubled, Variable::q));
}

TEST(Programs, GiveEachRootInOrder) {
    const ExprPtr left = parse_mask("kv < 6").root, right = parse_score("s + kv").root;
    Program program({left, right, left});
    const auto &results = program.run(pair.bindings(), test::param_values());
    EXPECT_EQ(results[0].integer, 1);
    EXPECT_EQ(results[1].real, 5.5);
    EXPECT_EQ(results[2].integer, 1);
    Bindings other = pair.bindings();
    other[Variable::kv] = 6;
    EXPECT_EQ(program.run(other, test::param_values())[0].integer, 0);
}

// ---- declarations ----------------------------------------------------------------------------------------------------------

TEST(Params, KeepTheirTypes) {
    for (const char *type : {"i32", "f32", "f32[h]", "i32[b, kv] nondecreasing", "bool[b, hkv, q, kv]", "bf16[1, 3, rows, 7]", "f16[1]"})
        EXPECT_EQ(test::param("a", type).text(), type);
    EXPECT_EQ(test::param("a", " i32 [ b,kv ]nondecreasing ").text(), "i32[b, kv] nondecreasing");
    EXPECT_EQ(test::param("a", "bool[kv]").type(), ExprType::boolean);
    EXPECT_EQ(test::param("a", "bf16[kv]").type(), ExprType::real);
    EXPECT_EQ(test::param("a", "i32").type(), ExprType::integer);
    EXPECT_TRUE(test::param("a", "i32").is_scalar());
    EXPECT_FALSE(test::param("a", "f32[h]") == test::param("a", "f32[b]"));
    EXPECT_FALSE(test::param("a", "f32[n]") == test::param("a", "f32[m]"));
}

}  // namespace
}  // namespace attune

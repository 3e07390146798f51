// Every mistake in an expression: where it is, what was found, what was expected, and the cure.
#include "tests/spec/expressions.h"

namespace attune {
namespace {

struct ErrorCase {
    const char *name, *text;
    int column;
    const char *what;  ///< after "--mask:COLUMN: "
};
void PrintTo(const ErrorCase &c, std::ostream *out) { *out << c.name; }

ErrorDetails error_of(const std::string &text, const ExpressionContext &context, std::string *what = nullptr) {
    try {
        parse_expression(text, context);
    } catch (const Error &error) {
        if (what) *what = error.what();
        return error.details();
    }
    ADD_FAILURE() << "no error for " << text;
    return {.code = ErrorCode::internal};
}

void check(const ErrorCase &c, const ExpressionContext &context) {
    std::string what;
    const ErrorDetails d = error_of(c.text, context, &what);
    EXPECT_EQ(what, context.argument + ":" + std::to_string(c.column) + ": " + c.what);
    EXPECT_EQ(d.code, ErrorCode::usage);
    EXPECT_EQ(d.argument, context.argument);
    EXPECT_EQ(d.column, c.column);
    EXPECT_EQ(d.line, 0);
    EXPECT_NE(d.value, "");
    EXPECT_NE(d.expected, "");
    EXPECT_NE(d.cure, "");
    const std::string expected_caret = "\n" + std::string(static_cast<size_t>(c.column) - 1, ' ') + "^";
    EXPECT_TRUE(d.caret.ends_with(expected_caret)) << d.caret;
}

class MaskErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(MaskErrors, SayWhereWhatAndHow) { check(GetParam(), test::context_of(ExprType::boolean)); }

class ScoreErrors : public testing::TestWithParam<ErrorCase> {};
TEST_P(ScoreErrors, SayWhereWhatAndHow) { check(GetParam(), test::context_of(ExprType::real)); }

#define NAMES "expected one of b, h, hkv, q, kv, q_abs, seq_len_q, seq_len_kv, a parameter, a function or a helper; "
#define NAMES_S "expected one of b, h, hkv, q, kv, q_abs, seq_len_q, seq_len_kv, s, a parameter, a function or a helper; "
#define SYMBOLS "expected names, numbers, && || ! < <= > >= == != + - * / % ( ) [ ] and ,; "

INSTANTIATE_TEST_SUITE_P(Names, MaskErrors, testing::Values(
    ErrorCase{"unknown", "kv < windw", 6, "unknown name windw, " NAMES "did you mean window"},
    ErrorCase{"far", "kv < frobnicate", 6, "unknown name frobnicate, " NAMES "declare it in [params], such as frobnicate = \"i32\""},
    ErrorCase{"and_word", "causal and prefix(3)", 8, "unexpected and, expected an operator or the end; write &&"},
    ErrorCase{"not_word", "not causal", 1, "unknown name not, " NAMES "write !"},
    ErrorCase{"s", "s > 0", 1, "s is the logit, which a mask cannot read, expected positions and parameters; write it into score"},
    ErrorCase{"score_helper", "softcap(1, 2) > 0", 1, "softcap changes the logit, which a mask cannot, expected a rule of positions and parameters; write it into score"},
    ErrorCase{"head_dim", "kv < head_dim", 6, "head_dim is a constant of the kernel, expected positions and parameters; write its value"},
    ErrorCase{"block_variable", "kv < q_first", 6, "unknown name q_first, " NAMES "declare it in [params], such as q_first = \"i32\""},
    ErrorCase{"no_function", "min < 3", 1, "min lacks its arguments, expected min(x, y); write them in parentheses"},
    ErrorCase{"call_of_a_variable", "kv(3)", 3, "unexpected (, expected an operator or the end; write an operator before it, or remove it"}
    ), [](const auto &info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Syntax, MaskErrors, testing::Values(
    ErrorCase{"empty", "", 1, "the expression is empty, expected an expression; write none, or leave it out"},
    ErrorCase{"spaces", " \t ", 1, "the expression is empty, expected an expression; write none, or leave it out"},
    ErrorCase{"early_end", "kv <", 5, "the expression ends too early, expected a number, a name or (; write what is missing, or remove the operator before it"},
    ErrorCase{"no_left_side", "&& causal", 1, "unexpected &&, expected a number, a name or (; write what is missing before it, or remove it"},
    ErrorCase{"unclosed", "(kv < 3", 8, "unexpected end, expected ) to close the ( at column 1; close it with )"},
    ErrorCase{"unclosed_call", "window(3", 9, "unexpected end, expected ) to close the ( at column 7; close it with )"},
    ErrorCase{"unclosed_index", "ids[b, kv < 3", 14, "unexpected end, expected ] to close the [ at column 4; close it with ]"},
    ErrorCase{"too_many_closed", "kv < 3)", 7, "unexpected ), expected an operator or the end; remove it, or open it with ("},
    ErrorCase{"two_values", "kv < 3 4", 8, "unexpected 4, expected an operator or the end; write an operator before it, or remove it"},
    ErrorCase{"chain", "0 <= kv < 3", 9, "< follows another comparison, expected one comparison; write a < b && b < c, or put one of them in parentheses"},
    ErrorCase{"chain_of_equals", "b == h == q", 8, "== follows another comparison, expected one comparison; write a < b && b < c, or put one of them in parentheses"},
    ErrorCase{"single_equals", "kv = 3", 4, "unexpected =, " SYMBOLS "write == to compare"},
    ErrorCase{"single_and", "causal & prefix(3)", 8, "unexpected &, " SYMBOLS "write &&"},
    ErrorCase{"question", "kv < 3 ? causal : true", 8, "unexpected ?, " SYMBOLS "write select(condition, then, else)"},
    ErrorCase{"power", "kv ^ 2 < 3", 4, "unexpected ^, " SYMBOLS "there is no power: multiply, or write exp2(x * log2(y))"},
    ErrorCase{"typographic", "kv \xe2\x89\xa4 3", 4, "unexpected \xe2\x89\xa4, " SYMBOLS "write <="},
    ErrorCase{"after_typography", "kv < \"\xc3\xa4\xc3\xb6\" + \xe2\x88\x92", 13, "unexpected \xe2\x88\x92, " SYMBOLS "write -"},
    ErrorCase{"bad_utf8", "kv < \xff", 6, "unexpected \\xff, " SYMBOLS "remove it"},
    ErrorCase{"control", "kv < \x01", 6, "unexpected \\x01, " SYMBOLS "remove it"},
    ErrorCase{"point_first", "kv < .5", 6, "unexpected ., " SYMBOLS "write a digit before the point, such as 0.5"},
    ErrorCase{"two_points", "kv < 1.2.3", 6, "1.2.3 is no number, expected a number such as 12, 0.5 or 1e-3; write an operator between a number and what follows"},
    ErrorCase{"glued", "kv < 3q", 6, "3q is no number, expected a number such as 12, 0.5 or 1e-3; write an operator between a number and what follows"},
    ErrorCase{"large_integer", "kv < 9223372036854775808", 6, "9223372036854775808 is too large, expected an integer of at most 9223372036854775807; write another number"},
    ErrorCase{"large_real", "kv < 1e999", 6, "1e999 is too large or too small, expected a number of at most 1.79e308 that is not below 5e-324; write another number"},
    ErrorCase{"string", "kv < \"a\"", 6, "a string stands here, expected a number, a name or (; strings are file names: blocks(\"file.npy\", size)"},
    ErrorCase{"unclosed_string", "blocks(\"a.npy, 3)", 8, "a string has no end, expected a closing \"; close it with \""},
    ErrorCase{"comma", "causal, prefix(3)", 7, "unexpected ,, expected an operator or the end; write an operator before it, or remove it"}
    ), [](const auto &info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Types, MaskErrors, testing::Values(
    ErrorCase{"integer_mask", "kv", 1, "the expression is an integer, expected true or false: which keys a query sees; compare it, such as x != 0"},
    ErrorCase{"real_mask", "  kv * 0.5", 3, "the expression is a real number, expected true or false: which keys a query sees; compare it, such as x != 0"},
    ErrorCase{"and_of_integer", "causal && kv", 11, "&& has an operand that is an integer, expected true or false; compare it, such as x != 0"},
    ErrorCase{"not_of_integer", "!kv < 3", 2, "! has an operand that is an integer, expected true or false; put the comparison in parentheses, as in !(a < b)"},
    ErrorCase{"sum_of_boolean", "1 + causal < 3", 5, "+ has an operand that is true or false, expected a number; write select(condition, 1, 0) for a number"},
    ErrorCase{"equal_of_both", "causal == 1", 1, "== has an operand that is true or false, expected a number; write select(condition, 1, 0) for a number"},
    ErrorCase{"modulo_of_real", "kv % 2.0 == 0", 6, "% has an operand that is a real number, expected an integer; write floor(x)"},
    ErrorCase{"select_condition", "select(kv, causal, true)", 8, "select has an operand that is an integer, expected true or false; compare it, such as x != 0"},
    ErrorCase{"select_branches", "select(true, causal, 1)", 14, "select has an operand that is true or false, expected a number; write select(condition, 1, 0) for a number"},
    ErrorCase{"bit_of_real", "bit(1.5, 1)", 5, "bit has an operand that is a real number, expected an integer; write floor(x)"},
    ErrorCase{"negated_boolean", "-causal < 0", 2, "- has an operand that is true or false, expected a number; write select(condition, 1, 0) for a number"}
    ), [](const auto &info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Numbers, MaskErrors, testing::Values(
    ErrorCase{"division_by_zero", "kv / 0 < 3", 6, "a division by zero, expected another divisor than 0; write another divisor"},
    ErrorCase{"division_by_a_constant_zero", "kv / (2 - 2) < 3", 6, "a division by zero, expected another divisor than 0; write another divisor"},
    ErrorCase{"real_division_by_zero", "kv / 0.0 < 3", 6, "a division by zero, expected another divisor than 0; write another divisor"},
    ErrorCase{"remainder_by_zero", "kv % 0 < 3", 6, "a remainder of a division by zero, expected another divisor than 0; write another divisor"}
    ), [](const auto &info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Params, MaskErrors, testing::Values(
    ErrorCase{"too_few_indices", "ids[b] == 3", 1, "ids has 1 index, but 2 dims, expected an index for each dim of i32[b, kv] nondecreasing; a dim declared 1 needs an index too, such as 0"},
    ErrorCase{"too_many_indices", "ids[b, q, kv] == 3", 1, "ids has 3 indices, but 2 dims, expected an index for each dim of i32[b, kv] nondecreasing; a dim declared 1 needs an index too, such as 0"},
    ErrorCase{"index_of_a_scalar", "n[b] < 3", 1, "n has 1 index, but 0 dims, expected no index, as n is i32; remove the index"},
    ErrorCase{"no_dims_to_index_by", "allowed", 1, "allowed is bool[m, kv], whose dims are not all positions, expected 2 indices in [ ]; write allowed[…]"},
    ErrorCase{"real_index", "ids[b, 1.5] == 3", 8, "an index is a real number, expected an integer; write floor(x)"},
    ErrorCase{"boolean_index", "ids[causal, kv] == 3", 5, "an index is true or false, expected an integer; write select(condition, 1, 0)"},
    ErrorCase{"negative_index", "ids[b, -1] == 3", 8, "index -1 is outside i32[b, kv] nondecreasing, expected an index from 0; indices count from 0 and do not wrap"},
    ErrorCase{"index_out_of_range", "table[h, 2 * 16] > 0", 10, "index 32 is outside f32[h, 32], expected 0 to 31; indices count from 0 and do not wrap"},
    ErrorCase{"empty_index", "ids[] == 3", 5, "unexpected ], expected a number, a name or (; remove it"},
    ErrorCase{"index_of_a_variable", "kv[3] < 3", 3, "unexpected [, expected an operator or the end; write an operator before it, or remove it"}
    ), [](const auto &info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Helpers, MaskErrors, testing::Values(
    ErrorCase{"no_arguments", "window", 1, "window lacks its arguments, expected window(l[, r]); write them in parentheses"},
    ErrorCase{"too_few", "fixed(3)", 8, "too few arguments of fixed, expected fixed(l, c); write the missing ones"},
    ErrorCase{"none", "window()", 8, "too few arguments of window, expected window(l[, r]); write the missing ones"},
    ErrorCase{"too_many", "window(1, 2, 3)", 14, "too many arguments of window, expected window(l[, r]); remove the rest"},
    ErrorCase{"too_many_of_a_function", "abs(1, 2) > 0", 8, "too many arguments of abs, expected abs(x); remove the rest"},
    ErrorCase{"arguments_of_causal", "causal()", 7, "causal takes no arguments, expected no parentheses; write causal"},
    ErrorCase{"negative_window", "window(-1)", 8, "l of window(l[, r]) is -1, expected an integer that is not negative; leave r out for no bound; the bounds are inclusive, so that window(0, 0) is the diagonal"},
    ErrorCase{"negative_right_window", "window(3, 1 - 2)", 11, "r of window(l[, r]) is -1, expected an integer that is not negative; leave r out for no bound; the bounds are inclusive, so that window(0, 0) is the diagonal"},
    ErrorCase{"zero_chunk", "chunk(0)", 7, "n of chunk(n) is 0, expected a positive integer; write another number"},
    ErrorCase{"huge", "prefix(2147483648)", 8, "n of prefix(n) is 2147483648, expected at most 2147483647; write a smaller number"},
    ErrorCase{"real_argument", "window(2.5)", 8, "l of window(l[, r]) is a real number, expected an integer; write floor(x), or an integer"},
    ErrorCase{"boolean_argument", "prefix(causal)", 8, "n of prefix(n) is true or false, expected an integer; write an integer"},
    ErrorCase{"not_constant", "bigbird(n, 4, 3, 1, 1, 0)", 9, "blocks of bigbird(blocks, size, window, global, random, seed) is known at run time only, expected a constant; write the number"},
    ErrorCase{"many_blocks", "bigbird(4097, 4, 3, 1, 1, 0)", 9, "a pattern of 4097 x 4097 blocks is too large, expected at most 4096 blocks; make the blocks larger"},
    ErrorCase{"unknown_tensor", "document(docs)", 10, "docs is no parameter, expected the name of a tensor of integers in [params]: document(ids); declare it in [params], such as docs = \"i32[b, kv]\""},
    ErrorCase{"number_for_a_tensor", "document(3)", 10, "3 is no parameter, expected the name of a tensor of integers in [params]: document(ids); declare it in [params], such as x = \"i32[b, kv]\""},
    ErrorCase{"scalar_for_a_tensor", "document(n)", 10, "n is i32, expected the name of a tensor of integers in [params]: document(ids); declare it as i32[b, kv]"},
    ErrorCase{"real_tensor", "document(slopes)", 10, "slopes is f32[h], expected the name of a tensor of integers in [params]: document(ids); declare it as i32[b, kv]"},
    ErrorCase{"indexed_tensor", "document(ids[b, kv])", 13, "document takes a whole tensor, expected the name of a tensor of integers in [params]: document(ids); write ids without indices"},
    ErrorCase{"tensor_of_other_dims", "document(words)", 10, "words is i32[b, q], expected kv as its last dim; declare it as i32[b, kv] nondecreasing"},
    ErrorCase{"large_tree", "tree(words, 33)", 13, "a tree of 33 drafts does not fit the bits of an i32, expected at most 32; use a bool tensor and index it"},
    ErrorCase{"large_neighbourhood", "neighborhood2d(5, 9, 3, 2)", 22, "a neighbourhood of 3 places 2 apart is larger than the axis of 5, expected at most 2; make it smaller"},
    ErrorCase{"large_shift", "shifted_window(8, 8, 4, 4)", 25, "a shift of 4 moves by a whole window of 4, expected a shift below the window's size; take it modulo the window's size"},
    ErrorCase{"unquoted_file", "blocks(a.npy, 3)", 9, "unexpected ., " SYMBOLS "write a digit before the point, such as 0.5"},
    ErrorCase{"number_for_a_file", "blocks(3, 3)", 8, "unexpected 3, expected a file's name in quotes: blocks(\"file.npy\", size); write it in quotes"},
    ErrorCase{"file_without_a_reader", "blocks(\"a.npy\", 3)", 8, "a.npy cannot be read here, expected a specification that the attune command reads; use attune build, or write the rule out"}
    ), [](const auto &info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(All, ScoreErrors, testing::Values(
    ErrorCase{"empty", "", 1, "the expression is empty, expected an expression; leave it out"},
    ErrorCase{"boolean", "causal", 1, "the expression is true or false, expected a number; write select(condition, then, else), or put it into mask"},
    ErrorCase{"unknown", "scor * 2", 1, "unknown name scor, " NAMES_S "declare it in [params], such as scor = \"i32\""},
    ErrorCase{"flex", "score * 2", 1, "unknown name score, " NAMES_S "write s"},
    ErrorCase{"soft_cap_of_zero", "softcap(s, 0)", 12, "a soft cap of 0, expected a positive number; use the largest logit that is wanted, such as 50"},
    ErrorCase{"soft_cap_of_a_constant_zero", "softcap(s, 2 - 2.0)", 12, "a soft cap of 0, expected a positive number; use the largest logit that is wanted, such as 50"},
    ErrorCase{"soft_cap_of_boolean", "softcap(causal, 3)", 9, "s of softcap(s, c) is true or false, expected a number; write select(condition, 1, 0) for a number"},
    ErrorCase{"alibi_of_integers", "alibi(ids)", 7, "ids is i32[b, kv] nondecreasing, expected the name of a tensor of reals in [params]: alibi(m); declare it as f32[h]"},
    ErrorCase{"alibi_of_a_table", "alibi(table)", 7, "table is f32[h, 32], expected dims among b, h, hkv, q, kv and 1; declare it so, or write the rule out with indices"},
    ErrorCase{"buckets", "relative_bias(table, 30, 128)", 22, "30 buckets, expected a multiple of 4 up to 256; use the model's number, such as 32"},
    ErrorCase{"bucket_table", "relative_bias(table, 16, 128)", 15, "table is f32[h, 32], expected 16 as its last dim; declare it as f32[h, 16]"},
    ErrorCase{"bucket_distance", "relative_bias_causal(table, 32, 16)", 33, "a largest distance of 16 with 32 buckets, expected more than 16; use the model's number, such as 128"}
    ), [](const auto &info) { return info.param.name; });

// ---- limits ----------------------------------------------------------------------------------------------------------------

std::string repeated(const std::string &text, int n) {
    std::string out;
    for (int i = 0; i < n; i++) out += text;
    return out;
}

TEST(ExpressionLimits, DeepNesting) {
    const ExpressionContext context = test::context_of(ExprType::boolean);
    EXPECT_NO_THROW(test::parse_mask(repeated("(", 60) + "causal" + repeated(")", 60)));
    for (const std::string &text : {repeated("(", 65) + "causal" + repeated(")", 65), repeated("!", 65) + "causal", repeated("-", 30000) + "kv < 0", repeated("abs(", 16000),
                                    repeated("ids[", 16000), repeated("(", 65536)}) {
        const ErrorDetails d = error_of(text, context);
        EXPECT_TRUE(d.problem.ends_with("the expression is nested too deeply")) << d.problem;
        EXPECT_GT(d.column, 1);
    }
}

TEST(ExpressionLimits, ManyParts) {
    const ExpressionContext context = test::context_of(ExprType::boolean);
    EXPECT_NO_THROW(test::parse_mask("kv < " + repeated("1 + ", 500) + "1"));
    EXPECT_TRUE(error_of("kv < " + repeated("1 + ", 2000) + "1", context).problem.ends_with("the rule has 2002 operations one upon another"));
    EXPECT_TRUE(error_of("kv < " + repeated("1 + ", 2100) + "1", context).problem.ends_with("the expression has too many parts"));
    EXPECT_TRUE(error_of(repeated("causal && ", 6000) + "causal", context).problem.ends_with("the expression has too many parts"));
}

TEST(ExpressionLimits, LongTexts) {
    const ExpressionContext context = test::context_of(ExprType::boolean);
    EXPECT_NO_THROW(test::parse_mask("causal" + repeated(" ", 65000)));
    EXPECT_EQ(error_of(repeated("x", 1 << 20), context).problem, "the text has 1048576 bytes");
    EXPECT_LT(error_of(repeated("x", 65000), context).caret.size(), 250u);
}

TEST(ExpressionLimits, HelpersThatGrow) {
    // c occurs twice in softcap(s, c): as a tree, each level doubles.
    std::string text = "s";
    for (int i = 0; i < 50; i++) text = "softcap(s, " + text + ")";
    EXPECT_TRUE(error_of(text, test::context_of(ExprType::real)).problem.ends_with("the rule is too large once its helpers are written out"));
}

// ---- places ----------------------------------------------------------------------------------------------------------------

TEST(ExpressionPlaces, AreThoseInTheFile) {
    ExpressionContext context = test::context_of(ExprType::boolean);
    context.argument = "mask";
    context.file = "spec.toml";
    context.line = 7;
    context.column = 9;
    std::string what;
    EXPECT_EQ(error_of("causal && true y", context, &what).column, 9 + 15);
    EXPECT_EQ(what, "spec.toml:7:24: mask: unexpected y, expected an operator or the end; write an operator before it, or remove it");
    const ErrorDetails second = error_of("causal &&\n  true y", context);
    EXPECT_EQ(second.line, 8);
    EXPECT_EQ(second.column, 8);
    EXPECT_EQ(second.caret, "  true y\n       ^");
}

TEST(ExpressionPlaces, OfFlagsCountFromTheirBeginning) {
    const ErrorDetails d = error_of("causal &&\n  true y", test::context_of(ExprType::boolean));
    EXPECT_EQ(d.line, 0);
    EXPECT_EQ(d.column, 18);
    EXPECT_EQ(d.caret, "  true y\n       ^");
}

TEST(ExpressionPlaces, CaretsOfLongLinesAreCut) {
    const ErrorDetails d = error_of(repeated("causal && ", 50) + "true y" + repeated(" && causal", 50), test::context_of(ExprType::boolean));
    EXPECT_EQ(d.column, 506);
    EXPECT_EQ(d.caret, repeated("causal && ", 6).substr(5) + "true y" + repeated(" && causal", 4).substr(0, 39) + "\n" + std::string(60, ' ') + "^");
}

TEST(ExpressionPlaces, CaretsArePlainText) {
    const ErrorDetails d = error_of("\t\xc3\xa4\x1b[31m", test::context_of(ExprType::boolean));
    EXPECT_EQ(d.caret, " ? [31m\n ^");
}

// ---- declarations ----------------------------------------------------------------------------------------------------------

struct TypeCase {
    const char *name, *type;
    int column;
    const char *what;
};
void PrintTo(const TypeCase &c, std::ostream *out) { *out << c.type; }
class TypeErrors : public testing::TestWithParam<TypeCase> {};

TEST_P(TypeErrors, SayWhereWhatAndHow) {
    const TypeCase &c = GetParam();
    try {
        test::param(c.name, c.type);
        ADD_FAILURE() << "no error";
    } catch (const Error &error) {
        EXPECT_EQ(error.what(), "params." + std::string(c.name) + ":" + std::to_string(c.column) + ": " + c.what);
        EXPECT_NE(error.details().cure, "");
    }
}

#define TYPES "expected one of i32, f32, f16, bf16, bool; "
#define DIMS "expected b, h, hkv, q, kv, an integer or a free name; "
#define PARAM_NAME "expected letters, digits and single underscores, starting with a letter, at most 63; choose another name"
INSTANTIATE_TEST_SUITE_P(All, TypeErrors, testing::Values(
    TypeCase{"a", "", 1, "the type is missing, " TYPES "write one of them, such as i32[b, kv]"},
    TypeCase{"a", "int", 1, "unknown type int, " TYPES "write i32"},
    TypeCase{"a", "i33[b]", 1, "unknown type i33, " TYPES "write one of them, such as i32[b, kv]"},
    TypeCase{"a", "f16", 1, "a scalar f16, expected i32 or f32 for a scalar; write f32"},
    TypeCase{"a", "bool", 1, "a scalar bool, expected i32 or f32 for a scalar; write i32, and n != 0"},
    TypeCase{"a", "i32[", 5, "unexpected end, " DIMS "write a dim, such as kv"},
    TypeCase{"a", "i32[]", 5, "unexpected ], " DIMS "write a dim, such as kv"},
    TypeCase{"a", "i32[b", 6, "unexpected end, expected ] to close the [ at column 4; close it with ]"},
    TypeCase{"a", "i32[b kv]", 7, "unexpected kv, expected ] to close the [ at column 4; close it with ]"},
    TypeCase{"a", "i32[0]", 5, "a dim of 0, expected 1 to 2147483647; write the number of elements"},
    TypeCase{"a", "i32[1.5]", 5, "unexpected 1.5, " DIMS "write a dim, such as kv"},
    TypeCase{"a", "i32[q_abs]", 5, "a dim is q_abs, which means something else, " DIMS "write kv"},
    TypeCase{"a", "i32[min]", 5, "a dim is min, which means something else, " DIMS "choose another name"},
    TypeCase{"a", "i32[b, h, q, kv, 3]", 18, "too many dims, expected at most 4; join some of them into one"},
    TypeCase{"a", "i32[b] increasing", 8, "unexpected increasing, expected a type such as i32, f32[h] or i32[b, kv] nondecreasing; remove it"},
    TypeCase{"a", "i32 nondecreasing", 5, "only index arrays are nondecreasing, expected it after i32[…]; remove it"},
    TypeCase{"a", "f32[b] nondecreasing", 8, "only index arrays are nondecreasing, expected it after i32[…]; remove it"},
    TypeCase{"kv", "i32", 1, "kv cannot name a parameter: it is a word of the expression language, expected another name; choose another name"},
    TypeCase{"window", "i32", 1, "window cannot name a parameter: it is a word of the expression language, expected another name; choose another name"},
    TypeCase{"s", "f32", 1, "s cannot name a parameter: it is a word of the expression language, expected another name; choose another name"},
    TypeCase{"int", "f32", 1, "int cannot name a parameter: it is a word of C or C++, expected another name; choose another name, as it becomes a field of a struct"},
    TypeCase{"block_mask", "i32", 1, "block_mask cannot name a parameter: it is a field of every such call, expected another name; choose another name"},
    TypeCase{"_a", "i32", 1, "_a cannot name a parameter, " PARAM_NAME},
    TypeCase{"a__b", "i32", 1, "a__b cannot name a parameter, " PARAM_NAME},
    TypeCase{"1a", "i32", 1, "1a cannot name a parameter, " PARAM_NAME},
    TypeCase{"a.b", "i32", 1, "a.b cannot name a parameter, " PARAM_NAME}
    ));

}  // namespace
}  // namespace attune

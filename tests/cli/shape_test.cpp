#include "generator/cli/shape.h"
#include "generator/spec/error.h"

#include <gtest/gtest.h>

namespace attune::cli {
namespace {

struct ShapeRow {
    const char *text;
    int group;
    Shape expected;
};
class ShapeParser : public testing::TestWithParam<ShapeRow> {};
TEST_P(ShapeParser, FillsInDefaults) {
    const auto &[text, group, expected] = GetParam();
    EXPECT_EQ(shape_text(parse_shape(text, group)), shape_text(expected));
    EXPECT_EQ(parse_shape(shape_text(expected), group), expected);  // the canonical text reads back
}
INSTANTIATE_TEST_SUITE_P(Rows, ShapeParser,
                         testing::Values(ShapeRow{"b=1", 1, {1, 1, 1, 512, 512}}, ShapeRow{"h=8", 1, {1, 8, 8, 512, 512}},
                                         ShapeRow{"h=8", 4, {1, 8, 2, 512, 512}}, ShapeRow{"hkv=2", 4, {1, 8, 2, 512, 512}},
                                         ShapeRow{"b=1", 3, {1, 3, 1, 512, 512}}, ShapeRow{"h=8,hkv=2", 0, {1, 8, 2, 512, 512}},
                                         ShapeRow{"sq=0,skv=0,b=0", 1, {0, 1, 1, 0, 0}},
                                         ShapeRow{" skv = 7 , sq = 3 ", 1, {1, 1, 1, 3, 7}}));

struct BadRow {
    const char *text;
    int group;
    const char *argument, *value;
};
class BadShapes : public testing::TestWithParam<BadRow> {};
TEST_P(BadShapes, NameTheKey) {
    const auto &[text, group, argument, value] = GetParam();
    try {
        parse_shape(text, group);
        FAIL() << "accepted";
    } catch (const Error &error) {
        EXPECT_EQ(error.details().code, ErrorCode::usage);
        EXPECT_EQ(error.details().argument, argument);
        EXPECT_EQ(error.details().value, value);
        EXPECT_FALSE(error.details().expected.empty());
        EXPECT_FALSE(error.details().cure.empty());
    }
}
INSTANTIATE_TEST_SUITE_P(
    Rows, BadShapes,
    testing::Values(BadRow{"", 1, "--shape", "\"\""}, BadRow{"8", 1, "--shape", "\"8\""}, BadRow{"h=8,", 1, "--shape", "\"\""},
                    BadRow{"heads=8", 1, "--shape \"heads\"", "unknown"}, BadRow{"h=", 1, "--shape h", "empty"},
                    BadRow{"h=0", 1, "--shape h", "0"}, BadRow{"sq=-1", 1, "--shape sq", "-1"}, BadRow{"sq=1e3", 1, "--shape sq", "1e3"},
                    BadRow{"sq=2147483648", 1, "--shape sq", "2147483648"},
                    BadRow{"sq=99999999999999999999", 1, "--shape sq", "99999999999999999999"},
                    BadRow{"h=2,h=3", 1, "--shape h", "2 and 3"}, BadRow{"h=8,hkv=3", 0, "--shape h", "8"},
                    BadRow{"h=8,hkv=4", 4, "--shape hkv", "4"}, BadRow{"h=6", 4, "--shape h", "6"},
                    BadRow{"b=2147483647,h=2147483647,sq=2147483647,skv=2147483647", 1, "--shape b*h*sq*skv", "over 1e15"}));

}  // namespace
}  // namespace attune::cli

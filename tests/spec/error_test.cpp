#include "generator/spec/error.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

std::string what(ErrorDetails details) { return Error(std::move(details)).what(); }

TEST(Error, SaysWhereWhatExpectationAndCure) {
    EXPECT_EQ(what({.argument = "head_dim", .value = "513", .expected = "an integer from 1 to 512", .cure = "split the head", .file = "spec.toml", .line = 3, .column = 12}),
              "spec.toml:3:12: head_dim is 513, expected an integer from 1 to 512; split the head");
}

TEST(Error, LeavesOutWhatIsEmpty) {
    EXPECT_EQ(what({.argument = "--query", .expected = "an .npy file"}), "--query is missing, expected an .npy file");
    EXPECT_EQ(what({.expected = "a file"}), "expected a file");
    EXPECT_EQ(what({.expected = "a file", .file = "x", .line = 2}), "x:2: expected a file");
    EXPECT_EQ(what({.value = "nothing", .expected = "a file"}), "nothing, expected a file");
    EXPECT_EQ(what({.argument = "a", .value = "1", .cure = "use 2"}), "a is 1; use 2");
}

TEST(Error, ProblemReplacesTheValue) {
    EXPECT_EQ(what({.argument = "x", .value = "1", .expected = "y", .problem = "unknown key x"}), "unknown key x, expected y");
}

TEST(Error, IsOneLineOfPrintableUtf8) {
    const Error error({.argument = "mask", .value = "a\nb\t\x1b[31m\xff\xc3\xa9\xc2\x9b\xed\xa0\x80\xf0\x9f\x98\x80\xe2\x82"});
    EXPECT_EQ(error.details().value, "a\\nb\\t\\x1b[31m\\xff\xc3\xa9\\xc2\\x9b\\xed\\xa0\\x80\xf0\x9f\x98\x80\\xe2\\x82");
    EXPECT_EQ(error.what(), "mask is " + error.details().value);
}

TEST(Error, CutsLongValues) {
    const Error error({.argument = "name", .value = std::string(100000, 'x')});
    EXPECT_LT(error.details().value.size(), 320u);
    EXPECT_TRUE(error.details().value.ends_with("…"));
}

TEST(Error, NamesOfCodesAreThoseOfJson) {
    EXPECT_STREQ(error_code_name(ErrorCode::check_failed), "check_failed");
    EXPECT_STREQ(error_code_name(ErrorCode::usage), "usage");
    EXPECT_STREQ(error_code_name(ErrorCode::input), "input");
    EXPECT_STREQ(error_code_name(ErrorCode::target), "target");
    EXPECT_STREQ(error_code_name(ErrorCode::internal), "internal");
}

}  // namespace
}  // namespace attune

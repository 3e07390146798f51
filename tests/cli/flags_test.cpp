#include "generator/cli/flags.h"
#include "generator/cli/session.h"
#include "generator/cli/spec_flags.h"
#include "generator/spec/error.h"
#include "generator/spec/keys.h"

#include <gtest/gtest.h>

namespace attune::cli {
namespace {

struct SomeFlags : Flags {
    SomeFlags();
};
SomeFlags::SomeFlags() : Flags("demo", "for the tests") {
    Flags &flags = *this;
    flags.positional("SPEC", "a file");
    flags.value("--threads", "N", "threads");
    flags.value("-o,--directory", "DIR", "folder");
    flags.list("--shape", "S", "shapes");
    flags.toggle("-h,--help", "help");
    flags.toggle("--json", "json");
}

TEST(Flags, ReadsEachForm) {
    SomeFlags flags;
    flags.parse({"--threads=3", "-o", "out dir", "spec.toml", "--shape", "a", "--json", "--shape", "b"});
    EXPECT_EQ(flags.integer("--threads", 1, 8, 1), 3);
    EXPECT_EQ(flags.text("--directory"), "out dir");
    EXPECT_EQ(flags.text("SPEC"), "spec.toml");
    EXPECT_EQ(flags.all("--shape"), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(flags.has("--json"));
    EXPECT_FALSE(flags.has("--help"));
}

TEST(Flags, WordsTakeAllThatIsLeft) {
    for (const auto &files : std::vector<std::vector<std::string>>{{}, {"a"}, {"a", "b", "c"}}) {
        Flags flags("demo", "for the tests");
        flags.positional("ACTION", "first");
        flags.words("FILE", "the others");
        flags.value("-o,--output", "F", "file");
        std::vector<std::string> words = {"show", "--output", "x"};
        words.insert(words.end(), files.begin(), files.end());
        flags.parse(words);
        EXPECT_EQ(flags.text("ACTION"), "show");
        EXPECT_EQ(flags.all("FILE"), files);
        EXPECT_EQ(flags.text("--output"), "x");
    }
}

TEST(Flags, HelpWinsOverMistakes) {
    SomeFlags flags;
    flags.parse({"--nonsense", "--threads", "--help"});
    EXPECT_TRUE(flags.has("--help"));
}

struct BadLine {
    std::vector<std::string> words;
    const char *argument, *message;
};
class BadLines : public testing::TestWithParam<BadLine> {};
TEST_P(BadLines, AreToldInOneStyle) {
    SomeFlags flags;
    try {
        flags.parse(GetParam().words);
        flags.integer("--threads", 1, 8, 1);
        FAIL() << "accepted";
    } catch (const Error &error) {
        EXPECT_EQ(error.details().code, ErrorCode::usage);
        EXPECT_EQ(error.details().argument, GetParam().argument);
        EXPECT_NE(std::string(error.what()).find(GetParam().message), std::string::npos) << error.what();
    }
}
INSTANTIATE_TEST_SUITE_P(
    Rows, BadLines,
    testing::Values(
        BadLine{{"--threds", "3"}, "--threds", "unknown flag --threds, expected a flag of 'attune demo'; did you mean --threads"},
        BadLine{{"-x"}, "-x", "unknown flag -x"}, BadLine{{"--threads"}, "--threads", "--threads is without a value"},
        BadLine{{"--threads="}, "--threads", "--threads is empty"},
        BadLine{{"--threads", "--json"}, "--threads", "--json is a flag of its own"},
        BadLine{{"--threads", "2", "--threads", "2"}, "--threads", "give it once"},
        BadLine{{"--threads", "two"}, "--threads", "--threads is two, expected an integer from 1 to 8"},
        BadLine{{"--threads", "9"}, "--threads", "expected an integer from 1 to 8"},
        BadLine{{"--threads", "-1"}, "--threads", "--threads is -1"}, BadLine{{"--threads", "1.0"}, "--threads", "--threads is 1.0"},
        BadLine{{"a.toml", "b.toml"}, "argument", "unexpected argument \"b.toml\""}, BadLine{{"--json="}, "--json", "expected no value"},
        BadLine{{"--threads", ""}, "--threads", "--threads is empty"}, BadLine{{""}, "SPEC", "SPEC is empty"},
        BadLine{{"--", "--json", "x"}, "argument", "unexpected argument \"x\""},
        BadLine{{"--json=3"}, "--json", "--json is 3, expected no value"}));

TEST(SpecFlags, EveryKeyWithAFlagIsTaken) {
    Flags flags("demo", "");
    declare_spec_flags(flags);
    std::vector<std::string> words;
    for (const SpecKey &key : spec_keys())
        if (!key.flag_name().empty() && key.kind != KeyKind::later)
            words.insert(words.end(), {key.flag_name(), "1"});
    flags.parse(words);
    EXPECT_EQ(raw_spec(flags).size() * 2, words.size());
    EXPECT_EQ(spec_words(flags), words);
}

TEST(Session, QuotesForTheShell) {
    EXPECT_EQ(shell_quote("b=1,h=2"), "b=1,h=2");
    EXPECT_EQ(shell_quote("rsqrt(head_dim)"), "'rsqrt(head_dim)'");
    EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
    EXPECT_EQ(shell_quote(""), "''");
}

TEST(Session, TablesLineUpWithWideCharacters) {
    EXPECT_EQ(align_table({{"a", "bb"}, {"µµ", "1"}}, {false, true}), "a   bb\nµµ   1\n");
}

TEST(Session, ErrorsHaveEveryField) {
    const Json json = error_json({.argument = "--x", .value = "1", .expected = "2", .cure = "3", .file = "f", .line = 4, .column = 5});
    std::vector<std::string> names;
    for (const auto &[name, value] : json["error"].items())
        names.push_back(name);
    EXPECT_EQ(names, (std::vector<std::string>{"code", "name", "argument", "value", "expected", "cure", "file", "line", "column", "caret"}));
}

}  // namespace
}  // namespace attune::cli

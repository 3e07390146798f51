// The demo's exit codes and messages; none of these needs the model.
#include "run_command.h"
#include "temporary_file.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

Outcome run(const std::string &arguments, const char *stream = "2>&1") {
    return run_command(std::string("ATTUNE_MINILM=/nonexistent " SENTENCE_SIMILARITY " ") + arguments + " " + stream);
}

struct Case {
    const char *name, *arguments;
    int code;
    const char *message;  // a part of the output
};
void PrintTo(const Case &c, std::ostream *out) {
    *out << c.name;
}
class CommandLine : public testing::TestWithParam<Case> {};

TEST_P(CommandLine, ends_with) {
    const Outcome outcome = run(GetParam().arguments);
    EXPECT_EQ(outcome.code, GetParam().code) << outcome.output;
    EXPECT_NE(outcome.output.find(GetParam().message), std::string::npos) << outcome.output;
}

INSTANTIATE_TEST_SUITE_P(SentenceSimilarity, CommandLine,
                         testing::Values(Case{"help", "--help", 0, "Example:"},                           //
                                         Case{"unknown_flag", "--wat", 2, "--wat"},                       //
                                         Case{"zero_repeats", "--repeat 0", 2, "--repeat"},               //
                                         Case{"threads_not_a_number", "--threads many", 2, "--threads"},  //
                                         Case{"unknown_dtype", "--dtype f17", 2, "f17 not in {f32,bf16}"},
                                         Case{"named_model_missing", "--model /nonexistent", 3, "/nonexistent: not the model"},
                                         Case{"variable_names_no_model", "", 3, "/nonexistent (ATTUNE_MINILM): not the model"},
                                         Case{"file_missing", "--file /nonexistent", 3, "/nonexistent: cannot read"},
                                         Case{"file_is_a_directory", "--file /", 3, "cannot read"},  //
                                         Case{"file_empty", "--file /dev/null", 3, "no sentence"}),
                         [](const auto &info) { return info.param.name; });

TEST(CommandLine, json_errors_are_json_on_stdout) {
    const Outcome outcome = run("--json", "2>/dev/null");
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(nlohmann::json::parse(outcome.output)["error"]["code"], 3);
}

}  // namespace

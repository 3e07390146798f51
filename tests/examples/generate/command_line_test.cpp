// The program's exit codes and messages; none of these needs the real model.
#include "run_command.h"
#include "temporary_file.h"
#include "tiny_model.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

Outcome run(const std::string &model, const std::string &arguments, const char *stream = "2>&1") {
    return run_command("ATTUNE_SMOLLM2=" + model + " " GENERATE " " + arguments + " " + stream);
}

struct Case {
    const char *name, *arguments;
    int code;
    const char *message;  // a part of the output
};
void PrintTo(const Case &c, std::ostream *out) {
    *out << c.name;
}
class GenerateCommandLine : public testing::TestWithParam<Case> {};

TEST_P(GenerateCommandLine, ends_with) {
    static const TemporaryFile model(tiny_model());
    const Outcome outcome = run(model.path(), GetParam().arguments);
    EXPECT_EQ(outcome.code, GetParam().code) << outcome.output;
    EXPECT_NE(outcome.output.find(GetParam().message), std::string::npos) << outcome.output;
}

INSTANTIATE_TEST_SUITE_P(
    Generate, GenerateCommandLine,
    testing::Values(Case{"success", "--raw --prompt hello --tokens 8", 0, "no cache, Attune's kernel    8 of 8 tokens"},  //
                    Case{"one_token", "--raw --prompt hello --tokens 1", 0, "1 of 1 tokens"},
                    Case{"a_text_that_is_not_checked", "--raw --prompt hello --tokens 2 --check 0", 0, "2 of 2 tokens"},
                    Case{"cache_of_i8", "--raw --prompt hello --tokens 8 --cache i8", 0, "8 tokens, largest difference of a logit"},
                    Case{"cache_of_i4", "--raw --prompt hello --tokens 8 --cache i4", 0, "i4 cache, Attune's kernels"},
                    Case{"cache_of_another_format", "--cache f16", 2, "--cache: f16 not in {f32,i8,i4}"},
                    Case{"help", "--help", 0, "Example:"},           //
                    Case{"unknown_flag", "--wat", 2, "--wat"},       //
                    Case{"no_tokens", "--tokens 0", 2, "--tokens"},  //
                    Case{"prompt_and_file", "--prompt a --file b", 2, "--file"},
                    Case{"model_missing", "--model /nonexistent", 3, "/nonexistent: cannot read"},
                    Case{"model_of_another_format", "--model " GENERATE, 3, "no GGUF file"},
                    Case{"file_missing", "--file /nonexistent", 3, "/nonexistent: cannot read"},
                    Case{"file_is_a_folder", "--file /", 3, "/: cannot read"},
                    Case{"file_empty", "--file /dev/null", 3, "/dev/null: empty"},  //
                    Case{"prompt_empty", "--raw --prompt ''", 3, "the prompt is empty"},
                    Case{"context_too_small", "--raw --prompt hello --tokens 8 --context 9", 3,
                         "a prompt of 2 tokens and 8 more do not fit into 9 positions"},
                    Case{"more_than_the_model_takes", "--raw --prompt hello --tokens 80", 3, "do not fit into 64 positions"}),
    [](const auto &info) { return info.param.name; });

TEST(GenerateCommandLine, a_model_with_other_heads_is_refused_with_the_cure) {
    const TemporaryFile model(tiny_model(32));
    const Outcome outcome = run(model.path(), "--raw --tokens 1");
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.output.find("change HEAD_DIM and GROUP"), std::string::npos) << outcome.output;
}

TEST(GenerateCommandLine, a_model_turned_otherwise_is_refused_with_the_cure) {
    const TemporaryFile model(tiny_model(64, "llama", 10000));
    const Outcome outcome = run(model.path(), "--raw --tokens 1");
    EXPECT_EQ(outcome.code, 3);
    EXPECT_NE(outcome.output.find("change ROPE"), std::string::npos) << outcome.output;
}

TEST(GenerateCommandLine, json_holds_the_text_and_the_check) {
    const TemporaryFile model(tiny_model());
    const Outcome outcome = run(model.path(), "--raw --prompt hello --tokens 5 --json", "2>/dev/null");
    EXPECT_EQ(outcome.code, 0);
    const auto json = nlohmann::json::parse(outcome.output);
    EXPECT_EQ(json["cached"]["tokens"].size(), 5u);
    EXPECT_EQ(json["cached"]["tokens"], json["uncached"]["tokens"]);
    EXPECT_EQ(json["check"]["ok"], true);
    EXPECT_EQ(json["cached"]["prompt"]["tokens"], 2);
}

TEST(GenerateCommandLine, json_errors_are_json_on_stdout) {
    const Outcome outcome = run("/nonexistent", "--json", "2>/dev/null");
    EXPECT_EQ(outcome.code, 3);
    EXPECT_EQ(nlohmann::json::parse(outcome.output)["error"]["code"], 3);
}

}  // namespace

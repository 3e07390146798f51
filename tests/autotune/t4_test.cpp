// The export for Kernel Tuner's tools, by the rules of its results-schema.json (T4 1.0.0), said again here.
#include "schedules/autotune/t4.h"
#include "schedules/autotune/tuner.h"
#include "tests/autotune/synthetic.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <regex>
#include <set>

namespace attune::autotune {
namespace {

using nlohmann::json;

void expect_schema(const json &file) {
    ASSERT_TRUE(file.is_object());
    EXPECT_TRUE(std::regex_match(file["schema_version"].get<std::string>(), std::regex("[0-9]+\\.[0-9]+\\.[0-9]+")));
    ASSERT_TRUE(file["results"].is_array());
    const std::set<std::string> invalidities = {"timeout", "compile", "runtime", "correctness", "constraints", "correct"};
    for (const json &result : file["results"]) {
        for (const char *required : {"configuration", "times", "invalidity", "correctness"}) ASSERT_TRUE(result.contains(required)) << required;
        EXPECT_TRUE(result["configuration"].is_object());
        EXPECT_TRUE(result["objectives"].is_array());
        for (const char *time : {"compilation_time", "framework", "search_algorithm", "validation"}) EXPECT_TRUE(result["times"][time].is_number()) << time;
        ASSERT_TRUE(result["times"]["runtimes"].is_array());
        for (const json &time : result["times"]["runtimes"]) EXPECT_TRUE(time.is_number());
        EXPECT_TRUE(invalidities.contains(result["invalidity"].get<std::string>()));
        EXPECT_TRUE(result["correctness"].is_number());
        EXPECT_TRUE(!result.contains("timestamp") || result["timestamp"].is_string());
        for (const json &measurement : result["measurements"]) {
            EXPECT_TRUE(measurement["name"].is_string());
            EXPECT_TRUE(measurement["value"].is_number());
            EXPECT_TRUE(measurement["unit"].is_string());
        }
    }
}

std::vector<Trial> trials(const Space &space) {
    std::vector<Trial> out = {{0, space.fallback, {Outcome::ok, {{2, 1, 3}, {8, 8}}, 0.25, 1.5, ""}, 1, 10}};
    for (const Outcome outcome : {Outcome::compile_failed, Outcome::crashed, Outcome::timed_out, Outcome::wrong})
        out.push_back({static_cast<int64_t>(out.size()), {48, 32, 1, 2, 4, 1}, {outcome, {}, 0, 1, "bytes \xff"}, std::numeric_limits<double>::infinity(), 20});
    return out;
}

TEST(T4, HasTheFieldsOfTheSchema) {
    const Space space = test::synthetic_space();
    const json file = json::parse(t4_text(space, trials(space), {.shapes = {"sq=1024", "sq=2048"}, .started_unix_s = 1700000000}));
    expect_schema(file);
    EXPECT_EQ(file["schema_version"], "1.0.0");
    ASSERT_EQ(file["results"].size(), 5u);
    const json &first = file["results"][0];
    EXPECT_EQ(first["configuration"], json::parse(R"({"block_q": 192, "block_kv": 64, "tile_q": 3, "tile_kv": 8, "tile_d": 8, "unroll": 2})"));
    EXPECT_EQ(first["timestamp"], "2023-11-14T22:13:30Z");  // the start, and ten seconds
    EXPECT_EQ(first["times"]["runtimes"], json::parse("[2.0, 1.0, 3.0, 8.0, 8.0]"));
    EXPECT_EQ(first["times"]["compilation_time"], 1500);
    EXPECT_EQ(first["correctness"], 1);
    EXPECT_EQ(first["measurements"][0], json::parse(R"({"name": "time sq=1024", "value": 2.0, "unit": "ms"})"));
    EXPECT_EQ(first["measurements"][2]["name"], first["objectives"][0]);
    EXPECT_DOUBLE_EQ(first["measurements"][2]["value"].get<double>(), 4);
    const char *invalidity[] = {"correct", "compile", "runtime", "timeout", "correctness"};
    for (size_t i = 0; i < 5; i++) EXPECT_EQ(file["results"][i]["invalidity"], invalidity[i]);
    EXPECT_EQ(file["results"][4]["correctness"], 0);
}

TEST(T4, OfAWholeTuning) {
    const Sweep sweep = test::synthetic_sweep(2);
    const Space space = sweep.space();
    Replay replay(sweep);
    const auto search = make_search(space, {});
    const TuneResult result = tune(space, *search, replay, nullptr, {});
    const test::TemporaryFolder folder;
    // Kept where a check against the schema itself wants it.
    const char *kept = std::getenv("ATTUNE_TEST_T4_FILE");
    const std::string path = kept ? kept : (folder.path / "t4.json").string();
    write_t4(path, space, result.trials);
    const json file = json::parse(std::ifstream(path));
    expect_schema(file);
    EXPECT_EQ(file["results"].size(), 100u);
    EXPECT_FALSE(file["results"][0].contains("timestamp"));
}

}  // namespace
}  // namespace attune::autotune

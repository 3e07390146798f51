// The search by a program of its own: what it is sent, what is taken from it, and every way in which it can fail.
#include "schedules/autotune/search.h"
#include "schedules/autotune/tuner.h"
#include "tests/autotune/error_of.h"
#include "tests/autotune/synthetic.h"
#include "tests/support/temporary_folder.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <fstream>
#include <set>

namespace attune::autotune {
namespace {

using nlohmann::json;

std::string python() {
    const char *other = std::getenv("ATTUNE_TEST_PYTHON");
    return other ? other : PYTHON;
}

class External : public testing::Test {
protected:
    void SetUp() override {
        if (python().empty()) GTEST_SKIP() << "needs python3";
    }
    SearchOptions options(const std::string &behaviour) const {
        const std::string command = python() + " " PROPOSER " " + behaviour + " " + log();
        return {.kind = "external", .seed = 7, .trials = 30, .external_command = command, .external_patience_s = 20};
    }
    std::string log() const { return (folder_.path / "log").string(); }
    std::vector<json> lines() const {
        std::vector<json> out;
        std::ifstream in(log());
        for (std::string line; std::getline(in, line);) out.push_back(json::parse(line));
        return out;
    }
    /// What makes the second question fail.
    Error error_of(const std::string &behaviour, double patience_s = 20) const {
        return test::error_of([&] {
            SearchOptions all = options(behaviour);
            all.external_patience_s = patience_s;
            const auto search = make_search(space_, all);
            search->ask(3);
            search->ask(3);
            search->ask(3);
        });
    }
    const Space space_ = test::synthetic_space();
    test::TemporaryFolder folder_;
};

TEST_F(External, IsSentTheSpaceQuestionsAndScores) {
    {
        const auto search = make_search(space_, options("grid"));
        search->tell(space_.fallback, 1.0);
        const std::vector<Point> points = search->ask(2);
        ASSERT_EQ(points.size(), 2u);
        search->tell(points[0], 0.75);
        search->tell(points[1], std::nullopt);
        search->ask(1);  // an answer: all before it is in the log
    }
    const std::vector<json> sent = lines();
    EXPECT_EQ(sent[0]["protocol"], 1);
    EXPECT_EQ(sent[0]["seed"], 7);
    EXPECT_EQ(sent[0]["trials"], 30);
    EXPECT_EQ(sent[0]["space"]["family"], "cpu_query_lanes");
    EXPECT_EQ(sent[0]["space"]["parameters"][1], json::parse(R"({"name": "block_kv", "values": [32, 64, 128, 256]})"));
    EXPECT_EQ(sent[0]["space"]["default"]["tile_q"], 3);
    EXPECT_EQ(sent[1], json::parse(R"({"tell": {"block_q": 192, "block_kv": 64, "tile_q": 3, "tile_kv": 8, "tile_d": 8, "unroll": 2}, "score": 1.0})"));
    EXPECT_EQ(sent[2], json::parse(R"({"ask": 2})"));
    EXPECT_EQ(std::count_if(sent.begin(), sent.end(), [](const json &line) { return line.value("score", json()) == 0.75; }), 1);
    EXPECT_EQ(std::count_if(sent.begin(), sent.end(), [](const json &line) { return line.contains("tell") && line["score"].is_null() && !line.contains("reason"); }), 1);
}

TEST_F(External, GivesOnlyLegalPointsOnceAndSaysWhyOthersAreRefused) {
    std::set<Point> asked;
    const std::vector<Point> legal = space_.legal_points();
    {
        const auto search = make_search(space_, options("grid"));
        search->tell(space_.fallback, 1.0);
        for (std::vector<Point> points; !(points = search->ask(16)).empty();)
            for (const Point &point : points) {
                EXPECT_TRUE(space_.legal(point)) << space_.text(point);
                EXPECT_TRUE(asked.insert(point).second) << space_.text(point);
                search->tell(point, 2.0);
            }
    }
    EXPECT_EQ(asked.size() + 1, legal.size());  // all but the default, which was told
    std::map<std::string, int> reasons;
    for (const json &line : lines())
        if (line.contains("reason")) {
            EXPECT_TRUE(line["score"].is_null());
            reasons[line["reason"]]++;
        }
    EXPECT_GT(reasons["block_q is no multiple of tile_q vectors"], 0);
    EXPECT_EQ(reasons["it was asked for before"], 1);  // the default
}

TEST_F(External, ThatFindsNothingLegalGetsRandomPoints) {
    const auto search = make_search(space_, options("stubborn"));
    const std::vector<Point> points = search->ask(4);
    EXPECT_EQ(std::set<Point>(points.begin(), points.end()).size(), 4u);
    for (const Point &point : points) EXPECT_TRUE(space_.legal(point));
    std::set<std::string> reasons;
    int questions = 0;
    for (const json &line : lines()) {
        if (line.contains("reason")) reasons.insert(line["reason"]);
        questions += line.contains("ask");
    }
    EXPECT_EQ(questions, 50);  // and no more
    EXPECT_TRUE(reasons.contains("block_q is missing or no integer"));
}

TEST_F(External, MorePointsThanAskedForAreLeftOut) { EXPECT_EQ(make_search(space_, options("more_than_asked"))->ask(3).size(), 3u); }

TEST_F(External, ValuesOffTheListAreRefused) {
    Space space = space_;
    space.error = nullptr;
    SearchOptions all = options("grid");
    all.external_command = R"(read s; read a; echo '{"points": [{"block_q": 50, "block_kv": 32, "tile_q": 1, "tile_kv": 2, "tile_d": 4, "unroll": 1}]}'; read why; echo "$why" > )" + log() + "; echo '{\"points\": []}'; cat > /dev/null";
    all.external_command = "{ " + all.external_command + "; }";
    const auto search = make_search(space, all);
    EXPECT_TRUE(search->ask(1).empty());
    EXPECT_EQ(lines()[0]["reason"], "block_q is 50, expected one of 48, 96, 192, 384, 768");
}

TEST_F(External, GarbageIsAnErrorThatShowsIt) {
    const std::string what = error_of("garbage").what();
    EXPECT_NE(what.find("answered \"Traceback: \\x01"), std::string::npos) << what;
    EXPECT_NE(what.find("README.md"), std::string::npos) << what;
}

TEST_F(External, AnotherObjectIsAnError) { EXPECT_NE(std::string(error_of("no_points").what()).find(R"({"point": []})"), std::string::npos); }

TEST_F(External, DeathIsAnErrorWithItsExitCode) {
    const Error error = error_of("dies");
    EXPECT_NE(std::string(error.what()).find("the external command ended with exit code 3"), std::string::npos) << error.what();
    EXPECT_EQ(error.details().code, ErrorCode::input);
}

TEST_F(External, DeathByASignalIsNamed) {
    SearchOptions all = options("grid");
    all.external_command = "kill -9 $$";
    const Error error = test::error_of([&] { make_search(space_, all)->ask(1); });
    EXPECT_NE(std::string(error.what()).find("signal 9"), std::string::npos) << error.what();
}

TEST_F(External, MissingProgramIsAnError) {
    SearchOptions all = options("grid");
    all.external_command = "/nowhere/attune-proposer";
    const Error error = test::error_of([&] { make_search(space_, all)->ask(1); });
    EXPECT_NE(std::string(error.what()).find("exit code 127"), std::string::npos) << error.what();
    all.external_command = "";
    EXPECT_EQ(test::error_of([&] { make_search(space_, all); }).details().code, ErrorCode::usage);
}

TEST_F(External, LateAnswerIsAnErrorAndTheProgramIsEnded) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string what = error_of("late", 0.5).what();
    EXPECT_NE(what.find("did not answer within 0.5 s"), std::string::npos) << what;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST_F(External, EndlessLineIsAnError) { EXPECT_NE(std::string(error_of("endless").what()).find("more than a megabyte"), std::string::npos); }

TEST_F(External, TunesInReplay) {
    const Sweep sweep = test::synthetic_sweep(3);
    const Space space = sweep.space();
    Replay replay(sweep);
    const auto search = make_search(space, options("grid"));
    TuneOptions tuning;
    tuning.trials = 30;
    const TuneResult result = tune(space, *search, replay, nullptr, tuning);
    EXPECT_EQ(result.trials.size(), 30u);
    EXPECT_GE(result.speed_up, 1);
}

class Optuna : public testing::TestWithParam<const char *> {};

TEST_P(Optuna, BridgeProposesGoodPoints) {
    const std::string sampler = GetParam();
    const std::string needs = sampler == "cmaes" ? "optuna, cmaes" : "optuna";
    if (python().empty() || std::system((python() + " -c 'import " + needs + "' 2>/dev/null").c_str()) != 0)
        GTEST_SKIP() << "needs the Python packages " << needs;
    std::vector<double> shares;
    std::vector<Point> first;
    for (const uint64_t seed : {1, 1, 2}) {
        const Sweep sweep = test::synthetic_sweep(seed);
        const Space space = sweep.space();
        Replay replay(sweep);
        const SearchOptions options{.kind = "external", .seed = seed, .trials = 80,
                                    .external_command = python() + " " OPTUNA_BRIDGE " --sampler " + sampler, .external_patience_s = 120};
        const auto search = make_search(space, options);
        TuneOptions tuning;
        tuning.trials = 80;
        const TuneResult result = tune(space, *search, replay, nullptr, tuning);
        std::vector<Point> points;
        for (const Trial &trial : result.trials) points.push_back(trial.point);
        EXPECT_EQ(std::set<Point>(points.begin(), points.end()).size(), 80u);
        if (first.empty()) first = points;
        if (seed == 1) {
            EXPECT_EQ(points, first);  // the same seed, the same points
        }
        shares.push_back(sweep.score(sweep.rows[sweep.best()]) / result.best_so_far.back());
    }
    EXPECT_GE(median_of(shares), sampler == "tpe" ? 0.97 : 0.9);
}
INSTANTIATE_TEST_SUITE_P(Samplers, Optuna, testing::Values("tpe", "cmaes", "random"), [](const auto &info) { return info.param; });

TEST(OptunaBridge, SaysWhatIsMissing) {
    if (python().empty() || std::system((python() + " -c 'import optuna' 2>/dev/null").c_str()) == 0) GTEST_SKIP() << "needs a Python without optuna";
    const test::TemporaryFolder folder;
    const std::string out = (folder.path / "out").string();
    EXPECT_NE(std::system((python() + " " OPTUNA_BRIDGE " < /dev/null 2> " + out).c_str()), 0);
    std::string line;
    std::getline(std::ifstream(out) >> std::ws, line);
    EXPECT_EQ(line, "optuna_bridge.py: the Python package optuna is missing; pip install optuna");
}

}  // namespace
}  // namespace attune::autotune

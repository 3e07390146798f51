// Trials on another machine, with shells in the place of machine and compiler: what a runner does wrong is an outcome of its point, or a clear
// error; the rest of the batch is still measured. Real programs on real runners: runner_test.py.
#include "generator/backend/files.h"
#include "generator/backend/schedule_space.h"
#include "generator/cli/tune/runner_evaluator.h"
#include "generator/spec/error.h"

#include <gtest/gtest.h>

#include <fstream>

namespace attune::cli {
namespace {

using autotune::Evaluation;
using autotune::Outcome;
using autotune::Point;

/// "Compiles" by writing an empty library.
const char *const compiler = R"sh(
while read -r line; do
  name=$(printf %s "$line" | sed 's/.*"name":"\([^"]*\)".*/\1/') folder=$(printf %s "$line" | sed 's/.*"folder":"\([^"]*\)".*/\1/')
  printf '!<arch>\n' >"$folder/$name.a"
  echo '{"compile_s": 0.5}'
done)sh";

/// Answers for kernel k as its number says; "time" fails for 1. Writes down which kernels it was asked for.
const char *const machine = R"sh(
mode=$2 rounds=1; echo "$*" | cut -d' ' -f2- >>"${0%/*}/asked"
if [ $mode = measure ]; then shift 5; else rounds=$3; shift 4; fi
for round in $(seq $rounds); do for k in "$@"; do
  echo "{\"begin\": $k}"
  case $mode$k in
    measure1) kill -SEGV $$ ;;
    measure2) sleep 60 ;;
    measure3) echo '{"kernel": 3, "times_ms": [[1.0, 1.0]], "error_share": 3.5}' ;;
    measure4) echo '{"kernel": 4, "error": "workspace too small"}' ;;
    measure*) echo "{\"kernel\": $k, \"times_ms\": [[3.0, 1.0, 2.0]], \"error_share\": 0.25}" ;;
    time1) exit 9 ;;
    time*) echo "{\"kernel\": $k, \"shape\": 0, \"ms\": 2.5}" ;;
  esac
done; done)sh";

class RunnerTest : public testing::Test {
protected:
    RunnerTest() {
        RawSpec raw;
        set_spec_flag(raw, "kernel.head_dim", "16", "test");
        job.spec = validate_spec(raw);
        job.target = &cpu_target("sse41");
        job.shapes = {parse_shape("sq=40,skv=40", 1)};
        job.params = {CallParams{job.spec, {}}};
        const autotune::Space space = schedule_space(job.spec, *job.target);
        parameters = space.parameters;
        points = space.legal_points();
        points.resize(6);
        std::ofstream(folder.path + "/machine") << machine;
    }

    RunnerEvaluator evaluator(const std::string &command, const std::atomic<bool> *stop = nullptr) {
        const LocalOptions local = {
            .worker = {"/bin/sh", "-c", compiler}, .compilers = 2, .compile_timeout_s = 10, .measure_timeout_s = 0.7, .stop = stop};
        return {job, parameters, Runner(command), linker, {.local = local, .folder = folder.path, .start_timeout_s = 1}};
    }
    std::string working() const { return "sh " + folder.path + "/machine {}"; }

    TemporaryFolder folder;
    TrialLinker linker{folder.path, ""};
    TuneJob job;
    std::vector<autotune::Parameter> parameters;
    std::vector<Point> points;
};

TEST_F(RunnerTest, TurnsWhatAMachineDoesIntoOutcomes) {
    struct Row {
        Outcome outcome;
        const char *says;
    };
    const Row rows[] = {{Outcome::ok, ""},
                        {Outcome::crashed, "signal 11"},
                        {Outcome::timed_out, "measuring took more than 0.7 s"},
                        {Outcome::wrong, "3.5 of the bound"},
                        {Outcome::crashed, "workspace too small"},
                        {Outcome::ok, ""}};
    RunnerEvaluator far = evaluator(working());
    std::vector<size_t> told;
    const auto results = far.evaluate(points, [&](size_t i, const Evaluation &) { told.push_back(i); });
    ASSERT_EQ(results.size(), points.size());
    EXPECT_EQ(told, (std::vector<size_t>{0, 1, 2, 3, 4, 5}));
    for (size_t i = 0; i < points.size(); i++) {
        EXPECT_EQ(results[i].outcome, rows[i].outcome) << i << ": " << results[i].message;
        EXPECT_NE(results[i].message.find(rows[i].says), std::string::npos) << i << ": " << results[i].message;
        EXPECT_EQ(results[i].compile_s, 0.5);
    }
    EXPECT_EQ(results[0].median_ms(), 2.0);
    std::ifstream asked(folder.path + "/asked");
    std::string first, second, third;
    std::getline(asked, first), std::getline(asked, second), std::getline(asked, third);
    EXPECT_EQ(first, "measure 0.1 6 0 0 1 2 3 4 5");
    EXPECT_EQ(second, "measure 0.1 6 2 2 3 4 5") << "the rest again, with the best time so far";
    EXPECT_EQ(third, "measure 0.1 6 2 3 4 5");
}

TEST_F(RunnerTest, MeasuresLeadersInTurn) {
    RunnerEvaluator far = evaluator(working());
    const auto times = far.remeasure({points[0]}, 3);  // of an earlier run: compiled now
    EXPECT_EQ(times, (std::vector<std::vector<std::vector<double>>>{{{2.5, 2.5, 2.5}}}));
    try {
        far.remeasure({points[0], points[1]}, 1);
        FAIL() << "no error";
    } catch (const Error &error) {
        EXPECT_EQ(error.details().code, ErrorCode::check_failed);
        EXPECT_NE(std::string(error.what()).find("exit code 9"), std::string::npos) << error.what();
    }
}

TEST_F(RunnerTest, IsAnErrorWhereNothingBegins) {
    struct Row {
        const char *command, *says;
    };
    const Row rows[] = {
        {"exit 7; :", "ended with exit code 7"},
        {"echo Welcome to board 3; :", "no JSON: Welcome to board 3"},
        {"sleep 60; :", "said nothing for 1 s"},
        {"echo '{\"kernel\": 77}'; :", "answered {\"kernel\":77}"},
        {"echo '{\"begin\": -1}'; :", "answered {\"begin\":-1}"},
        {"/no/such/program", "exit code 127"},
    };
    for (const Row &row : rows) {
        RunnerEvaluator far = evaluator(row.command);
        try {
            far.evaluate({points[0]}, [](size_t, const Evaluation &) {});
            FAIL() << row.command << ": no error";
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::target) << row.command;
            EXPECT_NE(std::string(error.what()).find(row.says), std::string::npos) << row.command << ": " << error.what();
        }
    }
}

TEST_F(RunnerTest, ReturnsEarlyWhenStopped) {
    std::atomic<bool> stop = false;
    RunnerEvaluator far = evaluator(working(), &stop);
    const auto results = far.evaluate({points[0], points[1]}, [&](size_t, const Evaluation &) { stop = true; });
    EXPECT_TRUE(results.empty());
}

TEST_F(RunnerTest, SaysWhatTheLinkerSays) {
    TrialLinker other(folder.path, "-lno_such_library_for_attune");
    try {
        other.link(*job.target, trial_job_json(job, {}), {});
        FAIL() << "no error";
    } catch (const Error &error) {
        EXPECT_EQ(error.details().code, ErrorCode::target);
        EXPECT_NE(std::string(error.what()).find("no_such_library_for_attune"), std::string::npos) << error.what();
    }
}

/// A job arrives as it was sent: given arguments byte for byte, made-up ones made again.
TEST(TrialJob, ArrivesAsItWasSent) {
    RawSpec raw;
    for (const auto &[key, value] : std::vector<std::pair<const char *, const char *>>{{"kernel.mask", "causal && window(left) && document(ids)"},
                                                                                       {"kernel.score", "softcap(s, 50)"},
                                                                                       {"kernel.group", "2"},
                                                                                       {"params", "left: i32; ids: i32[b, kv] nondecreasing"}})
        set_spec_flag(raw, key, value, "test");
    TuneJob job;
    job.spec = validate_spec(raw);
    job.target = &cpu_target("avx2");
    job.threads = 3;
    job.seed = 7;
    job.shapes = {parse_shape("h=4,sq=9,skv=17", 2), parse_shape("b=2,h=2,sq=5,skv=6", 2)};
    for (const Shape &shape : job.shapes)
        job.params.push_back({job.spec, {make_argument(job.spec.params[0], {}, {-5}), default_argument(job.spec, 1, shape, job.seed)}});
    const Json sent = trial_job_json(job, {{"trial_0", {{"block_q", 96}, {"tile_q", 2}}, true}});
    EXPECT_EQ(sent["params"][0][0], (Json{{"extents", Json::array()}, {"bytes", "fbffffff"}}));
    EXPECT_TRUE(sent["params"][1][1].is_null());
    const TrialJob got = trial_job_of(Json::parse(sent.dump()));
    EXPECT_EQ(got.job.spec.canonical(), job.spec.canonical());
    EXPECT_EQ(got.job.target, job.target);
    EXPECT_EQ(got.job.shapes, job.shapes);
    EXPECT_EQ(got.job.threads, 3);
    EXPECT_EQ(got.job.seed, 7u);
    for (size_t i = 0; i < job.shapes.size(); i++)
        for (size_t j = 0; j < 2; j++)
            EXPECT_EQ(got.job.params[i].values()[j].elements, job.params[i].values()[j].elements);
    EXPECT_EQ(got.job.params[0].values()[0].integer, -5);
    ASSERT_EQ(got.kernels.size(), 1u);
    EXPECT_EQ(got.kernels[0].parameters, (ScheduleParameters{{"block_q", 96}, {"tile_q", 2}}));
    EXPECT_TRUE(got.kernels[0].rounds_weights);
}

}  // namespace
}  // namespace attune::cli

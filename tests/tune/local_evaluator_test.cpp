// Trials in child processes: what a worker does wrong is an outcome of its trial, and the next trial has a worker again.
#include "generator/cli/tune/local_evaluator.h"
#include "generator/spec/error.h"

#include <gtest/gtest.h>

#include <csignal>

namespace attune::cli {
namespace {

// As the program's main does: a worker may have ended when it is asked.
[[maybe_unused]] const auto ignored = std::signal(SIGPIPE, SIG_IGN);

using autotune::Evaluation;
using autotune::Outcome;
using autotune::Point;

/// A worker in shell: what it does is in the value of its one parameter, x.
const char *const script = R"(
while read -r line; do
  case "$line" in
    *'"compile":{"x":1}'*) kill -SEGV $$ ;;
    *'"compile":{"x":2}'*) echo '{"error": "no such schedule"}' ;;
    *'"compile":{"x":3}'*) sleep 60 ;;
    *'"compile"'*) echo '{"compile_s": 0.5}' ;;
    *'"measure":{"x":4}'*) kill -ILL $$ ;;
    *'"measure":{"x":5}'*) sleep 60 ;;
    *'"measure":{"x":6}'*) echo '{"times_ms": [[1.0, 1.0]], "error_share": 3.5}' ;;
    *'"measure":{"x":7}'*) echo 'not JSON' ;;
    *'"measure":{"x":8}'*) exit 3 ;;
    *'"measure":{"x":9}'*) echo '{"error": "workspace too small"}' ;;
    *'"measure"'*) echo '{"times_ms": [[3.0, 1.0, 2.0]], "error_share": 0.25}' ;;
    *'"time"'*'"x":11'*) exit 1 ;;
    *'"time"'*) echo '{"ms": 2.5}' ;;
  esac
done)";

LocalEvaluator make_evaluator(const std::atomic<bool> *stop = nullptr) {
    return {{{"x", {}}}, {.worker = {"/bin/sh", "-c", script}, .compilers = 2, .compile_timeout_s = 0.5, .measure_timeout_s = 0.5, .stop = stop}};
}

std::vector<Evaluation> evaluate(LocalEvaluator &evaluator, const std::vector<Point> &points) {
    return evaluator.evaluate(points, [](size_t, const Evaluation &) {});
}

TEST(LocalEvaluator, TurnsWhatAWorkerDoesIntoOutcomes) {
    struct Row {
        int x;
        Outcome outcome;
        const char *says;
    };
    const Row rows[] = {
        {0, Outcome::ok, ""},
        {1, Outcome::compile_failed, "signal 11"},
        {2, Outcome::compile_failed, "no such schedule"},
        {3, Outcome::timed_out, "compiling took more than 0.5 s"},
        {4, Outcome::crashed, "signal 4"},
        {5, Outcome::timed_out, "measuring took more than 0.5 s"},
        {6, Outcome::wrong, "3.5 of the bound"},
        {7, Outcome::crashed, "no JSON"},
        {8, Outcome::crashed, "exit code 3"},
        {9, Outcome::crashed, "workspace too small"},
        {10, Outcome::ok, ""},
    };
    std::vector<Point> points;
    for (const Row &row : rows) points.push_back({row.x});
    LocalEvaluator evaluator = make_evaluator();
    std::vector<size_t> told;
    const auto results = evaluator.evaluate(points, [&](size_t i, const Evaluation &) { told.push_back(i); });
    ASSERT_EQ(results.size(), points.size());
    EXPECT_EQ(told.size(), points.size());
    for (size_t i = 0; i < points.size(); i++) {
        EXPECT_EQ(results[i].outcome, rows[i].outcome) << "x = " << rows[i].x << ": " << results[i].message;
        EXPECT_NE(results[i].message.find(rows[i].says), std::string::npos) << "x = " << rows[i].x << ": " << results[i].message;
    }
    EXPECT_EQ(results[0].median_ms(), 2.0);
    EXPECT_EQ(results[0].error_share, 0.25);
    EXPECT_EQ(results[0].compile_s, 0.5);
}

TEST(LocalEvaluator, MeasuresLeadersInTurn) {
    LocalEvaluator evaluator = make_evaluator();
    const auto times = evaluator.remeasure({{0}, {10}}, 3);
    ASSERT_EQ(times.size(), 2u);
    for (const auto &point : times) EXPECT_EQ(point, (std::vector<std::vector<double>>{{2.5, 2.5, 2.5}}));
}

TEST(LocalEvaluator, SaysWhichLeaderFails) {
    LocalEvaluator evaluator = make_evaluator();
    try {
        evaluator.remeasure({{11}}, 1);
        FAIL() << "no error";
    } catch (const Error &error) {
        EXPECT_EQ(error.details().code, ErrorCode::check_failed);
        EXPECT_NE(std::string(error.what()).find("exit code 1"), std::string::npos) << error.what();
    }
}

TEST(LocalEvaluator, ReturnsEarlyWhenStopped) {
    std::atomic<bool> stop = false;
    LocalEvaluator evaluator = make_evaluator(&stop);
    size_t done = 0;
    const auto results = evaluator.evaluate({{0}, {10}, {0}}, [&](size_t, const Evaluation &) {
        done++;
        stop = true;
    });
    EXPECT_TRUE(results.empty());
    EXPECT_EQ(done, 1u);
    stop = false;
    EXPECT_EQ(evaluate(evaluator, {{0}}).front().outcome, Outcome::ok) << "and goes on afterwards";
}

TEST(WorkerProcess, SaysWhereNothingStarts) {
    LocalEvaluator evaluator({{"x", {}}}, {.worker = {"/no/such/program"}, .compile_timeout_s = 5});
    const auto results = evaluate(evaluator, {{0}});
    EXPECT_EQ(results.front().outcome, Outcome::compile_failed);
    EXPECT_NE(results.front().message.find("exit code 127"), std::string::npos) << results.front().message;
}

}  // namespace
}  // namespace attune::cli

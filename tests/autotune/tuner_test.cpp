// The loop: the default first and never beaten by a tie, failures, budgets, re-measuring, shapes.
#include "schedules/autotune/journal.h"
#include "schedules/autotune/tuner.h"
#include "tests/autotune/error_of.h"
#include "tests/autotune/synthetic.h"
#include "tests/support/temporary_folder.h"

#include <rapidcheck.h>

#include <algorithm>

namespace attune::autotune {
namespace {

/// A line of ten points, whose times a test says. `noise` is what the search sees of them; re-measuring sees the truth.
class Line : public Evaluator {
public:
    explicit Line(std::function<Evaluation(int)> truth) : truth_(std::move(truth)) {}
    std::vector<Evaluation> evaluate(const std::vector<Point> &points, const std::function<void(size_t, const Evaluation &)> &on_done) override {
        std::vector<Evaluation> out;
        for (const Point &point : points) {
            evaluated.push_back(point[0]);
            Evaluation one = truth_(point[0]);
            for (std::vector<double> &times : one.times_ms)
                for (double &time : times) time *= noise ? noise(point[0]) : 1;
            out.push_back(one);
            clock += 1;
            if (tells) on_done(out.size() - 1, out.back());
            if (stop_after == static_cast<int>(evaluated.size())) {
                stop = true;
                if (leaves_early) return {};
            }
        }
        return out;
    }
    std::vector<std::vector<std::vector<double>>> remeasure(const std::vector<Point> &points, int rounds) override {
        remeasured.emplace_back();
        const double off = remeasured.size() > 1 && calms ? 0 : wobble;
        std::vector<std::vector<std::vector<double>>> out;
        for (const Point &point : points) {
            remeasured.back().push_back(point[0]);
            out.emplace_back();
            for (const double median : medians_of(truth_(point[0]))) {
                out.back().emplace_back();
                for (int i = 0; i < rounds; i++) out.back().back().push_back(median * (1 + off * (i % 3 - 1)));
            }
        }
        return out;
    }

    std::function<double(int)> noise;
    double wobble = 0, clock = 0;
    bool tells = true, leaves_early = false, calms = false;
    int stop_after = -1;
    std::atomic<bool> stop = false;
    std::vector<int> evaluated;
    std::vector<std::vector<int>> remeasured;

private:
    std::function<Evaluation(int)> truth_;
};

Space line_space() { return {"line", {{"x", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}}, {5}, {}, {}}; }
Evaluation ok(std::vector<double> medians) {
    Evaluation out;
    for (const double median : medians) out.times_ms.push_back({median, 0.9 * median, 1.1 * median});
    return out;
}

TuneResult tune_line(Line &line, TuneOptions options = {}, const char *kind = "exhaustive") {
    const Space space = line_space();
    const auto search = make_search(space, {.kind = kind});
    options.stop = &line.stop;
    options.clock = [&line] { return line.clock; };
    return tune(space, *search, line, nullptr, options);
}

TEST(Tuner, TheDefaultIsTrialZeroAndTheBestWins) {
    Line line([](int x) { return ok({10.0 - x % 9}); });
    const TuneResult result = tune_line(line);
    EXPECT_EQ(line.evaluated, (std::vector<int>{5, 0, 1, 2, 3, 4, 6, 7, 8, 9}));
    EXPECT_EQ(result.chosen, (Point{8}));
    EXPECT_DOUBLE_EQ(result.speed_up, 2.5);
    EXPECT_EQ(result.stopped_by, StoppedBy::exhausted);
    ASSERT_EQ(result.leaders.size(), 6u);  // five, and the default
    EXPECT_EQ(result.leaders[0].point, (Point{8}));
    EXPECT_EQ(result.leaders[0].trial, 8);
    EXPECT_EQ(result.leaders[3].point, (Point{5}));  // two of the five are slower
    EXPECT_EQ(result.leaders[0].times_ms[0].size(), 3u);
    EXPECT_EQ(result.best_so_far.front(), 1);
    EXPECT_DOUBLE_EQ(result.best_so_far.back(), 0.4);
    EXPECT_TRUE(std::is_sorted(result.best_so_far.rbegin(), result.best_so_far.rend()));
}

TEST(Tuner, TheDefaultWinsTies) {
    Line line([](int) { return ok({10}); });
    const TuneResult result = tune_line(line);
    EXPECT_EQ(result.chosen, (Point{5}));
    EXPECT_EQ(result.speed_up, 1);
}

TEST(Tuner, LuckInTheSearchDoesNotWin) {  // what looked fast is not when measured again
    Line line([](int x) { return ok({x == 5 ? 9 : x == 3 ? 8.5 : 10}); });
    line.noise = [](int x) { return x == 2 ? 0.5 : 1; };
    EXPECT_EQ(tune_line(line).chosen, (Point{3}));
    Line slower([](int x) { return ok({x == 5 ? 9.0 : 10.0}); });
    slower.noise = [](int x) { return x == 5 ? 2 : 1; };
    const TuneResult result = tune_line(slower);
    EXPECT_EQ(result.chosen, (Point{5}));
    EXPECT_EQ(result.speed_up, 1);
}

TEST(Tuner, TunedIsNeverSlowerThanTheDefault) {
    EXPECT_TRUE(rc::check([] {
        const std::vector<double> times = *rc::gen::container<std::vector<double>>(10, rc::gen::map(rc::gen::inRange(1, 20), [](int x) { return x / 4.0; }));
        Line line([&](int x) { return x != 5 && times[static_cast<size_t>(x)] < 0.5 ? Evaluation{Outcome::wrong, {}, 3, 0, ""} : ok({times[static_cast<size_t>(x)]}); });
        line.noise = [&](int x) { return 1 + 0.3 * times[static_cast<size_t>(9 - x)]; };
        const TuneResult result = tune_line(line);
        RC_ASSERT(result.speed_up >= 1);
        RC_ASSERT(times[static_cast<size_t>(result.chosen[0])] <= times[5]);
    }));
}

TEST(Tuner, FailuresDoNotWin) {
    Line line([](int x) {
        Evaluation out = ok({x == 5 ? 10.0 : 1.0});
        out.outcome = x == 5 ? Outcome::ok : x < 3 ? Outcome::wrong : x < 7 ? Outcome::crashed : Outcome::timed_out;
        return out;
    });
    const TuneResult result = tune_line(line);
    EXPECT_EQ(result.chosen, (Point{5}));
    EXPECT_TRUE(line.remeasured.empty());  // nothing to compare with
    EXPECT_EQ(result.leaders.size(), 1u);
    EXPECT_EQ(result.trials[1].score, std::numeric_limits<double>::infinity());
    EXPECT_EQ(result.best_so_far.back(), 1);
}

TEST(Tuner, FailureOfTheDefaultIsAnError) {
    Line line([](int x) { return x == 5 ? Evaluation{Outcome::crashed, {}, 0, 0, "signal 11"} : ok({1}); });
    const Error error = test::error_of([&] { tune_line(line); });
    EXPECT_STREQ(error.what(), "the default schedule, x=5, failed: crashed, signal 11, expected a right result and times, which all others are compared with; mend it and tune again");
    EXPECT_EQ(error.details().code, ErrorCode::check_failed);
}

TEST(Tuner, FailureOfTheDefaultIsNotTheNextRunsBeginning) {
    const test::TemporaryFolder folder;
    const Space space = line_space();
    Journal journal((folder.path / "journal").string(), journal_header("", space, {}));
    Line line([](int x) { return x == 5 ? Evaluation{Outcome::timed_out, {}, 0, 0, ""} : ok({1}); });
    const auto search = make_search(space, {});
    EXPECT_THROW(tune(space, *search, line, &journal, {}), Error);
    EXPECT_TRUE(read_journal(journal.path()).trials.empty());
}

TEST(Tuner, EndsAfterItsTrials) {
    Line line([](int x) { return ok({10.0 - x}); });
    const TuneResult result = tune_line(line, {.trials = 4, .batch = 8});
    EXPECT_EQ(line.evaluated.size(), 4u);
    EXPECT_EQ(result.stopped_by, StoppedBy::trials);
    Line one([](int x) { return ok({10.0 - x}); });
    EXPECT_EQ(tune_line(one, {.trials = 1}).chosen, (Point{5}));
}

TEST(Tuner, EndsAfterItsSeconds) {
    Line line([](int x) { return ok({10.0 - x}); });
    const TuneResult result = tune_line(line, {.seconds = 5});  // a trial takes one
    EXPECT_EQ(line.evaluated.size(), 5u);
    EXPECT_EQ(result.stopped_by, StoppedBy::seconds);
    EXPECT_EQ(result.elapsed_s, 5);
}

TEST(Tuner, EndsWhenStoppedAndStillChooses) {
    for (const bool early : {false, true}) {
        Line line([](int x) { return ok({10.0 - x}); });
        line.stop_after = 4, line.leaves_early = early;
        const TuneResult result = tune_line(line, {.batch = 5});
        EXPECT_EQ(result.trials.size(), early ? 4u : 6u);  // the batch that was on is finished, or what on_done was told of
        EXPECT_EQ(result.stopped_by, StoppedBy::stop);
        EXPECT_EQ(result.leaders.size(), result.trials.size());
    }
}

TEST(Tuner, ResultsThatOnDoneWasNotToldOfAreTakenFromTheList) {
    Line line([](int x) { return ok({10.0 - x}); });
    line.tells = false;
    EXPECT_EQ(tune_line(line).trials.size(), 10u);
}

TEST(Tuner, MeasuresAgainUntilMediansAreKnown) {
    Line calm([](int x) { return ok({10.0 - x}); });
    tune_line(calm);
    EXPECT_EQ(calm.remeasured.size(), 1u);
    Line noisy([](int x) { return ok({10.0 - x}); });
    noisy.wobble = 0.1, noisy.calms = true;  // the first rounds say little
    tune_line(noisy);
    EXPECT_EQ(noisy.remeasured.size(), 2u);
    EXPECT_EQ(noisy.remeasured[0], (std::vector<int>{5, 9, 8, 7, 6, 4}));  // the default in turn with the others
    Line wild([](int x) { return ok({10.0 - x}); });
    wild.wobble = 0.5;
    tune_line(wild, {.rounds = 4, .most_rounds = 10});
    EXPECT_EQ(wild.remeasured.size(), 3u);
}

TEST(Tuner, SeveralShapesTakeOneCompromiseOrATable) {
    // 3 is best for the first shape, 7 for the second, 4 in the mean of both.
    Line line([](int x) { return ok({x == 3 ? 5.0 : x == 4 ? 6.0 : 10.0, x == 7 ? 50.0 : x == 3 ? 150.0 : x == 4 ? 70.0 : 100.0}); });
    const TuneResult result = tune_line(line, {.leaders = 1, .by_shape = true});
    EXPECT_EQ(result.chosen, (Point{4}));
    EXPECT_DOUBLE_EQ(result.speed_up, std::sqrt(10 / 6.0 * 100 / 70.0));
    EXPECT_EQ(result.chosen_by_shape, (std::vector<Point>{{3}, {7}}));
    EXPECT_DOUBLE_EQ(result.speed_up_by_shape[0], 2);
    EXPECT_DOUBLE_EQ(result.speed_up_by_shape[1], 2);
    EXPECT_TRUE(tune_line(line, {}).chosen_by_shape.empty());
}

TEST(Tuner, TellsHowFarItIs) {
    Line line([](int x) { return ok({10.0 - x}); });
    std::vector<Progress> all;
    TuneOptions options{.trials = 10};
    options.progress = [&](const Progress &progress) { all.push_back(progress); };
    tune_line(line, options);
    ASSERT_EQ(all.size(), 11u);
    for (int i = 0; i < 10; i++) EXPECT_EQ(all[static_cast<size_t>(i)].done, i + 1);
    EXPECT_EQ(all[9].trials, 10);
    EXPECT_EQ(all[9].best, (Point{9}));
    EXPECT_DOUBLE_EQ(all[9].best_score, 0.2);
    EXPECT_DOUBLE_EQ(all[8].remaining_s, 1);
    EXPECT_FALSE(all[9].remeasuring);
    EXPECT_TRUE(all[10].remeasuring);
    EXPECT_EQ(all[10].last, nullptr);
}

}  // namespace
}  // namespace attune::autotune

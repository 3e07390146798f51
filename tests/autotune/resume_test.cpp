// kill -9 at any moment, then again: what was recorded stays, at most one trial is done twice, and the result is that of a run in peace.
#include "schedules/autotune/journal.h"
#include "schedules/autotune/tuner.h"
#include "tests/autotune/synthetic.h"
#include "tests/support/temporary_folder.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <random>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

namespace attune::autotune {
namespace {

constexpr int64_t most_trials = 60;

/// A replay that takes its time, and writes down each evaluation that it begins.
class SlowReplay : public Evaluator {
public:
    SlowReplay(const Sweep &sweep, const std::string &log) : replay_(sweep), log_(log) {}
    std::vector<Evaluation> evaluate(const std::vector<Point> &points, const std::function<void(size_t, const Evaluation &)> &on_done) override {
        std::vector<Evaluation> out(points.size());
        // Not in their order: they end when they end.
        for (size_t j = points.size(); j-- > 0;) {
            const size_t i = j ^ (points.size() % 2 == 0 ? 1 : 0);
            std::ofstream(log_, std::ios::app) << '.' << std::flush;
            usleep(500);
            out[i] = replay_.evaluate({points[i]}, nullptr)[0];
            on_done(i, out[i]);
        }
        return out;
    }
    std::vector<std::vector<std::vector<double>>> remeasure(const std::vector<Point> &points, int rounds) override {
        usleep(1000);
        return replay_.remeasure(points, rounds);
    }

private:
    Replay replay_;
    std::string log_;
};

TuneResult run(const Sweep &sweep, const std::string &kind, const std::string &journal_path, const std::string &log) {
    const Space space = sweep.space();
    const SearchOptions searching{.kind = kind, .seed = 11, .trials = most_trials};
    SlowReplay replay(sweep, log);
    const auto search = make_search(space, searching);
    TuneOptions options;
    options.trials = most_trials;
    Journal journal(journal_path, journal_header(sweep.key, space, searching));
    return tune(space, *search, replay, &journal, options);
}

TEST(Resume, AfterKillsAtRandomMomentsNothingIsLost) {
    const Sweep sweep = test::synthetic_sweep(4);
    for (const std::string kind : {"evolution", "random"}) {
        const test::TemporaryFolder folder;
        const auto file = [&](const char *name) { return (folder.path / name).string(); };
        const TuneResult peace = run(sweep, kind, file("peace"), file("peace.log"));

        std::mt19937 moments(3);
        std::vector<Point> recorded;
        int kills = 0;
        for (int i = 0; i < 20; i++) {
            const pid_t child = fork();
            ASSERT_GE(child, 0);
            if (child == 0) {
                run(sweep, kind, file("journal"), file("log"));
                _exit(0);
            }
            usleep(moments() % 6000);
            kill(child, SIGKILL);
            int status = 0;
            ASSERT_EQ(waitpid(child, &status, 0), child);
            ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
            kills += WIFSIGNALED(status);

            std::vector<Point> now;
            if (std::ifstream(file("journal")).peek() != std::ifstream::traits_type::eof())
                for (const Trial &trial : read_journal(file("journal")).trials) now.push_back(trial.point);
            ASSERT_GE(now.size(), recorded.size());
            EXPECT_TRUE(std::equal(recorded.begin(), recorded.end(), now.begin()));  // none is lost
            recorded = now;
        }
        EXPECT_GT(kills, 5);

        const TuneResult result = run(sweep, kind, file("journal"), file("log"));
        EXPECT_EQ(result.resumed, static_cast<int64_t>(recorded.size()));
        ASSERT_EQ(result.trials.size(), peace.trials.size());
        for (size_t i = 0; i < peace.trials.size(); i++) {
            EXPECT_EQ(result.trials[i].point, peace.trials[i].point) << i;
            EXPECT_EQ(result.trials[i].score, peace.trials[i].score) << i;
            EXPECT_EQ(result.trials[i].index, static_cast<int64_t>(i));
        }
        EXPECT_EQ(result.best_so_far, peace.best_so_far);
        EXPECT_EQ(result.chosen, peace.chosen);
        EXPECT_EQ(result.speed_up, peace.speed_up);

        const std::vector<Trial> all = read_journal(file("journal")).trials;
        std::set<Point> points;
        for (const Trial &trial : all) points.insert(trial.point);
        EXPECT_EQ(points.size(), static_cast<size_t>(most_trials));
        EXPECT_EQ(all.size(), points.size());
        // Each kill costs the evaluation that it interrupted, and no more.
        std::string begun;
        std::ifstream(file("log")) >> begun;
        EXPECT_LE(begun.size(), static_cast<size_t>(most_trials + kills));
    }
}

TEST(Resume, MoreTrialsGoOnWhereFewerEnded) {
    const Sweep sweep = test::synthetic_sweep(4);
    const Space space = sweep.space();
    const test::TemporaryFolder folder;
    const auto up_to = [&](int64_t trials, int64_t batch, const char *name) {
        const SearchOptions searching{.seed = 2};
        Replay replay(sweep);
        const auto search = make_search(space, searching);
        TuneOptions options;
        options.trials = trials, options.batch = batch;
        Journal journal((folder.path / name).string(), journal_header(sweep.key, space, searching));
        return tune(space, *search, replay, &journal, options);
    };
    up_to(13, 5, "journal");
    up_to(30, 8, "journal");
    const TuneResult grown = up_to(50, 3, "journal"), whole = up_to(50, 8, "whole");
    EXPECT_EQ(grown.resumed, 30);
    ASSERT_EQ(grown.trials.size(), 50u);
    for (size_t i = 0; i < 50; i++) EXPECT_EQ(grown.trials[i].point, whole.trials[i].point) << i;
    const TuneResult fewer = up_to(20, 8, "journal");
    EXPECT_EQ(fewer.trials.size(), 50u);  // what is known stays known
    EXPECT_EQ(fewer.chosen, grown.chosen);
}

/// Asks what no earlier run asked for.
class Other : public Search {
public:
    explicit Other(std::vector<Point> points) : points_(std::move(points)) {}
    std::vector<Point> ask(size_t most) override {
        std::vector<Point> out(points_.begin(), points_.begin() + static_cast<std::ptrdiff_t>(std::min(most, points_.size())));
        points_.erase(points_.begin(), points_.begin() + static_cast<std::ptrdiff_t>(out.size()));
        return out;
    }
    void tell(const Point &point, std::optional<double>) override {
        told.insert(point);
        std::erase(points_, point);
    }
    std::set<Point> told;

private:
    std::vector<Point> points_;
};

TEST(Resume, SearchThatAsksOtherPointsIsToldOfThose) {
    const Sweep sweep = test::synthetic_sweep(4);
    const Space space = sweep.space();
    const test::TemporaryFolder folder;
    const JournalHeader header = journal_header(sweep.key, space, {});
    const std::string path = (folder.path / "journal").string();
    std::vector<Point> points = space.legal_points();
    points.erase(points.begin());
    TuneOptions options;
    options.trials = 20;
    Replay replay(sweep);
    {
        Other search(points);
        Journal journal(path, header);
        tune(space, search, replay, &journal, options);
    }
    std::reverse(points.begin(), points.end());
    Other search(points);
    Journal journal(path, header);
    options.trials = 40;
    const TuneResult result = tune(space, search, replay, &journal, options);
    EXPECT_EQ(result.resumed, 20);
    EXPECT_EQ(result.trials.size(), 40u);
    EXPECT_EQ(search.told.size(), 40u);
}

}  // namespace
}  // namespace attune::autotune

// Recorded sweeps: what is written is read, a replay answers from it, and what is no sweep is refused.
#include "schedules/autotune/search.h"
#include "schedules/autotune/tuner.h"
#include "tests/autotune/error_of.h"
#include "tests/autotune/synthetic.h"
#include "tests/support/temporary_folder.h"

#include <algorithm>
#include <fstream>

namespace attune::autotune {
namespace {

class SweepFile : public testing::Test {
protected:
    std::string path() const { return (folder_.path / "sweep.json").string(); }
    Error refusal(const std::string &text) const {
        std::ofstream(path()) << text;
        return test::error_of([&] { read_sweep(path()); });
    }
    test::TemporaryFolder folder_;
};

TEST_F(SweepFile, ComesBack) {
    const Sweep sweep = test::synthetic_sweep(9, false, 2);
    write_sweep(path(), sweep);
    const Sweep back = read_sweep(path());
    EXPECT_EQ(back.key, sweep.key);
    EXPECT_EQ(back.machine, sweep.machine);
    EXPECT_EQ(back.shapes, sweep.shapes);
    EXPECT_EQ(back.space().fingerprint(), sweep.space().fingerprint());
    ASSERT_EQ(back.rows.size(), sweep.rows.size());
    for (size_t i = 0; i < sweep.rows.size(); i++) {
        EXPECT_EQ(back.rows[i].point, sweep.rows[i].point);
        EXPECT_EQ(back.rows[i].outcome, sweep.rows[i].outcome);
        EXPECT_EQ(back.rows[i].median_ms, sweep.rows[i].median_ms);  // bit by bit
    }
    EXPECT_EQ(back.best(), sweep.best());
    // A line each, and a head.
    std::ifstream in(path());
    EXPECT_LT(std::count(std::istreambuf_iterator<char>(in), {}, '\n'), static_cast<std::ptrdiff_t>(sweep.rows.size() + 20));
}

TEST_F(SweepFile, OfAnExhaustiveSearchReplaysAsRecorded) {
    const Sweep sweep = test::synthetic_sweep(9, false, 2);
    const Space space = sweep.space();
    Replay replay(sweep);
    const auto search = make_search(space, {.kind = "exhaustive"});
    TuneOptions options;
    options.trials = 100000;
    const TuneResult all = tune(space, *search, replay, nullptr, options);
    ASSERT_EQ(all.trials.size(), sweep.rows.size());
    EXPECT_EQ(all.stopped_by, StoppedBy::exhausted);
    EXPECT_EQ(all.chosen, sweep.rows[sweep.best()].point);
    EXPECT_DOUBLE_EQ(1 / all.speed_up, sweep.score(sweep.rows[sweep.best()]));

    const Sweep again = make_sweep(space, all.trials, sweep.shapes, sweep.key, sweep.machine);
    write_sweep(path(), again);
    const Sweep back = read_sweep(path());
    Replay second(back);
    for (const Sweep::Row &row : sweep.rows) {
        const Evaluation evaluation = second.evaluate({row.point}, nullptr)[0];
        EXPECT_EQ(evaluation.outcome, row.outcome);
        EXPECT_EQ(medians_of(evaluation), row.median_ms);
        EXPECT_TRUE(back.space().legal(row.point));
    }
    EXPECT_FALSE(back.space().legal({1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(second.evaluate({{1, 2, 3, 4, 5, 6}}, nullptr)[0].outcome, Outcome::compile_failed);
    EXPECT_EQ(second.remeasure({space.fallback}, 3)[0][1].size(), 3u);
}

TEST_F(SweepFile, WhatIsNoSweepIsRefused) {
    const std::string head = R"({"attune_sweep": 1, "key": "k", "machine": "m", "family": "f", "parameters": [{"name": "a", "values": [1, 2]}], "fallback": [1], "shapes": ["s"], "points": )";
    std::ofstream(path()) << head << "[[1, 2.5], [2, \"wrong\"]]}";
    EXPECT_EQ(read_sweep(path()).rows.size(), 2u);
    const std::pair<std::string, std::string> cases[] = {
        {"", "the file does not read"},
        {"[]", "this is no sweep of attune"},
        {"{\"attune_sweep\": 2}", "this is no sweep of attune, expected an object with attune_sweep 1"},
        {"{\"attune_sweep\": 1}", "its head does not read"},
        {head + "[[1, 2.5], [2]]}", "point 1 does not read: 0 times for 1 shapes"},
        {head + "[[1, 2.5], [2, 1, 2]]}", "point 1 does not read: 2 times for 1 shapes"},
        {head + "[[1, 2.5], [2, \"fine\"]]}", "point 1 does not read: an unknown outcome"},
        {head + "[[1, -1]]}", "point 0 does not read: a time that is not positive"},
        {head + "[[\"a\", 1]]}", "point 0 does not read"},
        {head + "[7]}", "point 0 does not read"},
    };
    for (const auto &[text, says] : cases) {
        const Error error = refusal(text);
        EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
        EXPECT_EQ(error.details().code, ErrorCode::input);
        EXPECT_EQ(error.details().file, path());
    }
    EXPECT_NE(std::string(test::error_of([&] { read_sweep(path() + "x"); }).what()).find("no such file"), std::string::npos);
    EXPECT_NE(std::string(test::error_of([&] { write_sweep("/nowhere/x", {}); }).what()).find("no such file"), std::string::npos);
}

TEST(Sweep, WithoutItsDefaultHasNoScores) {
    Sweep sweep = test::synthetic_sweep(1);
    std::erase_if(sweep.rows, [&](const Sweep::Row &row) { return row.point == sweep.fallback; });
    EXPECT_NE(std::string(test::error_of([&] { sweep.best(); }).what()).find("default"), std::string::npos);
}

}  // namespace
}  // namespace attune::autotune

// What every search keeps: legal points, none twice, the same from the same seed; and that the evolution is worth its lines.
#include "schedules/autotune/search.h"
#include "schedules/autotune/tuner.h"
#include "tests/autotune/error_of.h"
#include "tests/autotune/synthetic.h"

#include <rapidcheck.h>

#include <algorithm>
#include <set>

namespace attune::autotune {
namespace {

/// Asks until `trials` points or the end, tells each; the fallback first.
std::vector<Point> points_of(const Space &space, const SearchOptions &options, size_t trials, const std::function<size_t()> &batch,
                             const std::function<std::optional<double>(const Point &)> &score) {
    const std::unique_ptr<Search> search = make_search(space, options);
    search->tell(space.fallback, score(space.fallback));
    std::vector<Point> out;
    while (out.size() < trials) {
        const std::vector<Point> points = search->ask(std::min(batch(), trials - out.size()));
        if (points.empty()) break;
        for (const Point &point : points) {
            search->tell(point, score(point));
            out.push_back(point);
        }
    }
    return out;
}

std::optional<double> smooth(const Point &point) {
    double sum = 1;
    for (size_t i = 0; i < point.size(); i++) sum += (point[i] - 3) * (point[i] - 3) * static_cast<double>(i + 1);
    if (point[0] % 5 == 4) return std::nullopt;
    return sum;
}

const char *const kinds[] = {"random", "exhaustive", "evolution"};

/// Up to 4 parameters of up to 6 values; some points are illegal, and the fallback may be off the grid.
Space any_space() {
    Space space;
    space.family = "any";
    const int n = *rc::gen::inRange(1, 5);
    for (int i = 0; i < n; i++) {
        std::vector<int> values;
        for (int bits = *rc::gen::inRange(1, 64), value = 0; bits >> value != 0; value++)
            if (bits >> value & 1) values.push_back(value);
        space.parameters.push_back({std::string(1, static_cast<char>('a' + i)), values});
        space.fallback.push_back(*rc::gen::inRange(0, 8));
    }
    const int forbidden = *rc::gen::inRange(1, 7);
    space.error = [forbidden, fallback = space.fallback](const Point &p) {
        int sum = 0;
        for (const int value : p) sum += value;
        return p != fallback && sum % forbidden == 1 ? "forbidden" : "";
    };
    if (*rc::gen::arbitrary<bool>()) space.predicted_ms = [](const Point &p) { return 1.0 + p[0]; };
    return space;
}

TEST(Searches, AskEachLegalPointOnceAndNoOther) {
    EXPECT_TRUE(rc::check([] {
        const Space space = any_space();
        const uint64_t seed = *rc::gen::arbitrary<uint64_t>();
        std::set<Point> legal;
        for (const Point &point : space.legal_points())
            if (point != space.fallback) legal.insert(point);
        for (const char *kind : kinds) {
            const auto points = points_of(space, {.kind = kind, .seed = seed}, 10000, [] { return *rc::gen::inRange<size_t>(1, 9); }, smooth);
            const std::set<Point> asked(points.begin(), points.end());
            RC_ASSERT(asked.size() == points.size());  // none twice
            RC_ASSERT(asked == legal);                 // all, and neither the fallback, which was told, nor an illegal one
        }
    }));
}

TEST(Searches, AskTheSameWhateverTheSizeOfBatches) {
    EXPECT_TRUE(rc::check([] {
        const Space space = any_space();
        const uint64_t seed = *rc::gen::arbitrary<uint64_t>();
        for (const char *kind : kinds) {
            const SearchOptions options{.kind = kind, .seed = seed};
            const auto alone = points_of(space, options, 60, [] { return size_t(1); }, smooth);
            RC_ASSERT(points_of(space, options, 60, [] { return *rc::gen::inRange<size_t>(1, 20); }, smooth) == alone);
        }
    }));
}

TEST(Searches, FollowTheSeed) {
    const Space space = test::synthetic_space();
    for (const char *kind : {"random", "evolution"}) {
        const auto of_seed = [&](uint64_t seed) { return points_of(space, {.kind = kind, .seed = seed}, 100, [] { return 8; }, smooth); };
        EXPECT_EQ(of_seed(1), of_seed(1)) << kind;
        EXPECT_NE(of_seed(1), of_seed(2)) << kind;
    }
}

TEST(Searches, DoNotAskWhatWasToldUnasked) {
    const Space space = test::synthetic_space();
    const std::vector<Point> all = space.legal_points();
    for (const char *kind : kinds) {
        const auto search = make_search(space, {.kind = kind});
        const auto first = search->ask(5);
        std::set<Point> told(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
        for (const Point &point : told) search->tell(point, 1.0);
        std::set<Point> rest(first.begin(), first.end());
        for (std::vector<Point> points; !(points = search->ask(10000)).empty();)
            for (const Point &point : points) {
                EXPECT_FALSE(told.contains(point)) << kind << space.text(point);
                EXPECT_TRUE(rest.insert(point).second) << kind << space.text(point);
            }
        told.insert(rest.begin(), rest.end());
        EXPECT_EQ(told.size(), all.size()) << kind;
    }
}

TEST(Searches, ExhaustiveIsInOrder) {
    const Space space = test::synthetic_space();
    const std::vector<Point> all = space.legal_points();
    EXPECT_EQ(make_search(space, {.kind = "exhaustive"})->ask(all.size() + 1), all);
}

TEST(Searches, UnknownKindIsRefused) {
    const Error error = test::error_of([] { make_search(test::synthetic_space(), {.kind = "genetic"}); });
    EXPECT_STREQ(error.what(), "search is genetic, expected random, exhaustive, evolution or external; take evolution, unless you compare searches");
    EXPECT_EQ(error.details().code, ErrorCode::usage);
}

/// The best of the space over the best of so many trials: 1 is the best.
double reached(const Sweep &sweep, const Space &space, const char *kind, uint64_t seed, int64_t trials) {
    Replay replay(sweep);
    const auto search = make_search(space, {.kind = kind, .seed = seed});
    TuneOptions options;
    options.trials = trials;
    const TuneResult result = tune(space, *search, replay, nullptr, options);
    return sweep.score(sweep.rows[sweep.best()]) / result.best_so_far.back();
}

struct Shares {
    std::vector<double> random, evolution;
};
Shares shares(bool large, int64_t trials) {
    Shares out;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const Sweep sweep = test::synthetic_sweep(seed, large);
        const Space space = sweep.space();
        out.random.push_back(reached(sweep, space, "random", seed, trials));
        out.evolution.push_back(reached(sweep, space, "evolution", seed, trials));
    }
    return out;
}

TEST(Evolution, ReachesTheBestOfASmallSpace) {
    EXPECT_GE(test::synthetic_space().legal_points().size(), 300u);
    const Shares found = shares(false, 100);
    EXPECT_GE(median_of(found.evolution), 0.99);
    EXPECT_GE(*std::min_element(found.evolution.begin(), found.evolution.end()), 0.97);
    EXPECT_GE(median_of(found.evolution), median_of(found.random));
}

TEST(Evolution, BeatsChanceInALargeSpace) {
    EXPECT_GE(test::synthetic_space(true).legal_points().size(), 3000u);
    const Shares found = shares(true, 100);
    EXPECT_GE(median_of(found.evolution), 0.97);
    EXPECT_GT(median_of(found.evolution), median_of(found.random) + 0.005);
}

TEST(Evolution, BeginsWithWhatTheModelLikesBest) {
    Space space = test::synthetic_space();
    space.predicted_ms = [](const Point &p) { return test::synthetic_ms(p, 5); };
    std::vector<Point> all = space.legal_points();
    std::stable_sort(all.begin(), all.end(), [&](const Point &a, const Point &b) { return space.predicted_ms(a) < space.predicted_ms(b); });
    const std::vector<Point> first = make_search(space, {})->ask(8);
    EXPECT_TRUE(std::equal(first.begin(), first.end(), all.begin()));
}

/// Times that are up to 3 % off while searching, and right when measured again.
class NoisyReplay : public Evaluator {
public:
    explicit NoisyReplay(const Sweep &sweep) : replay_(sweep) {}
    std::vector<Evaluation> evaluate(const std::vector<Point> &points, const std::function<void(size_t, const Evaluation &)> &on_done) override {
        std::vector<Evaluation> out = replay_.evaluate(points, nullptr);
        for (size_t i = 0; i < points.size(); i++) {
            for (std::vector<double> &times : out[i].times_ms) times[0] *= 1 + 0.00006 * (test::chance(points[i], 99) - 500);
            on_done(i, out[i]);
        }
        return out;
    }
    std::vector<std::vector<std::vector<double>>> remeasure(const std::vector<Point> &points, int rounds) override {
        return replay_.remeasure(points, rounds);
    }

private:
    Replay replay_;
};

TEST(Evolution, StandsNoise) {
    std::vector<double> found;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const Sweep sweep = test::synthetic_sweep(seed, true);
        const Space space = sweep.space();
        NoisyReplay replay(sweep);
        const auto search = make_search(space, {.seed = seed});
        const TuneResult result = tune(space, *search, replay, nullptr, {});
        EXPECT_GE(result.speed_up, 1);
        found.push_back(sweep.score(sweep.rows[sweep.best()]) * result.speed_up);
    }
    EXPECT_GE(median_of(found), 0.97);
}

TEST(Evolution, GetsOverAModelThatIsWrong) {
    std::vector<double> found;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const Sweep sweep = test::synthetic_sweep(seed);
        Space space = sweep.space();
        space.predicted_ms = [seed](const Point &p) { return 1000 / test::synthetic_ms(p, seed); };  // the worst is the best
        found.push_back(reached(sweep, space, "evolution", seed, 100));
    }
    EXPECT_GE(median_of(found), 0.97);
}

}  // namespace
}  // namespace attune::autotune

// What stands under a search: the points of a space, medians, shares of a job list, numbers from a seed.
#include "schedules/autotune/random.h"
#include "schedules/autotune/shard.h"
#include "schedules/autotune/trial.h"
#include "tests/autotune/error_of.h"
#include "tests/autotune/synthetic.h"

#include <rapidcheck.h>

#include <algorithm>
#include <limits>
#include <set>

namespace attune::autotune {
namespace {

TEST(Space, LegalPointsAreTheFallbackAndThenTheGridInOrder) {
    Space space{"family", {{"a", {1, 2, 4}}, {"b", {3, 5}}}, {2, 3}, [](const Point &p) { return p[0] == 4 && p[1] == 5 ? "too much" : ""; }, {}};
    EXPECT_EQ(space.legal_points(), (std::vector<Point>{{2, 3}, {1, 3}, {1, 5}, {2, 5}, {4, 3}}));
    space.fallback = {7, 7};  // off the grid
    EXPECT_EQ(space.legal_points(), (std::vector<Point>{{7, 7}, {1, 3}, {1, 5}, {2, 3}, {2, 5}, {4, 3}}));
    space.error = nullptr;
    EXPECT_EQ(space.legal_points().size(), 7u);
    EXPECT_EQ(space.text({2, 3}), "a=2 b=3");
}

TEST(Space, FingerprintChangesWithEachOfItsParts) {
    const Space space{"family", {{"a", {1, 2}}, {"b", {3}}}, {1, 3}, {}, {}};
    std::set<std::string> all = {space.fingerprint()};
    Space other = space;
    other.family = "another";
    all.insert(other.fingerprint());
    other = space, other.fallback = {2, 3};
    all.insert(other.fingerprint());
    other = space, other.parameters[1].values = {3, 4};
    all.insert(other.fingerprint());
    other = space, other.parameters[1].name = "c";
    all.insert(other.fingerprint());
    EXPECT_EQ(all.size(), 5u);
    EXPECT_EQ(space.fingerprint(), Space(space).fingerprint());
    EXPECT_EQ(space.fingerprint().size(), 16u);
}

TEST(Trial, MedianAndSpread) {
    EXPECT_EQ(median_of({3, 1, 2}), 2);
    EXPECT_EQ(median_of({4, 1, 2, 3}), 2.5);
    EXPECT_EQ(median_of({5}), 5);
    EXPECT_TRUE(std::isnan(median_of({})));
    EXPECT_EQ(spread_of({1, 2, 3, 4, 5}), 2.0 / 3);
    EXPECT_EQ(spread_of({5}), 0);
    const Evaluation evaluation{Outcome::ok, {{1, 2, 3}, {10, 30, 20}}, 0, 0, ""};
    EXPECT_EQ(evaluation.median_ms(1), 20);
    EXPECT_EQ(evaluation.spread(0), 0.5);
    EXPECT_TRUE(std::isnan(evaluation.median_ms(2)));
}

TEST(Trial, ScoreIsTheGeometricMeanOfRatios) {
    EXPECT_DOUBLE_EQ(relative_score({1, 8}, {2, 4}), 1);
    EXPECT_DOUBLE_EQ(relative_score({1}, {2}), 0.5);
    EXPECT_EQ(relative_score({1}, {2, 4}), std::numeric_limits<double>::infinity());  // a shape is missing
    EXPECT_EQ(relative_score({}, {}), std::numeric_limits<double>::infinity());
    EXPECT_EQ(relative_score({NAN}, {1}), std::numeric_limits<double>::infinity());
}

TEST(Trial, OutcomesHaveNames) {
    for (const Outcome outcome : {Outcome::ok, Outcome::compile_failed, Outcome::crashed, Outcome::timed_out, Outcome::wrong})
        EXPECT_EQ(outcome_of(outcome_name(outcome)), outcome);
    EXPECT_EQ(outcome_of("fine"), std::nullopt);
}

TEST(Random, NumbersAreTheSameWithEveryLibrary) {
    Random random(1);
    std::vector<size_t> numbers;
    for (int i = 0; i < 5; i++) numbers.push_back(random.below(1000));
    std::vector<int> list = {0, 1, 2, 3, 4, 5};
    random.shuffle(list);
    // The standard fixes mt19937_64; 10000th of the default seed: 9981545732273789042.
    EXPECT_EQ(numbers, (std::vector<size_t>{133, 136, 451, 21, 350}));
    EXPECT_EQ(list, (std::vector<int>{3, 4, 1, 0, 2, 5}));
}

TEST(Shard, PartsAreTheList) {
    EXPECT_TRUE(rc::check([] {
        const std::vector<int> jobs = *rc::gen::container<std::vector<int>>(rc::gen::arbitrary<int>());
        const size_t n = *rc::gen::inRange<size_t>(1, 9);
        std::vector<int> all;
        size_t least = jobs.size(), most = 0;
        for (size_t i = 1; i <= n; i++) {
            const std::vector<int> mine = jobs_of(jobs, parse_shard(std::to_string(i) + "/" + std::to_string(n)));
            least = std::min(least, mine.size()), most = std::max(most, mine.size());
            all.insert(all.end(), mine.begin(), mine.end());
        }
        RC_ASSERT(most - least <= 1);
        std::vector<int> sorted = jobs;
        std::sort(sorted.begin(), sorted.end()), std::sort(all.begin(), all.end());
        RC_ASSERT(all == sorted);
    }));
    EXPECT_EQ(jobs_of(std::vector<char>{'a', 'b', 'c', 'd', 'e'}, {2, 2}), (std::vector<char>{'b', 'd'}));
}

TEST(Shard, RefusesWhatIsNoPart) {
    for (const char *text : {"", "1", "/", "0/4", "5/4", "1/0", "1/2/3", "a/b", "-1/4", " 1/4", "1/4 ", "99999999999999999999/4"})
        EXPECT_EQ(test::error_of([&] { parse_shard(text); }).details().code, ErrorCode::usage) << text;
    EXPECT_STREQ(test::error_of([] { parse_shard("5/4"); }).what(),
                 "shard is 5/4, expected i/n, part i of n, with 1 <= i <= n; give 1/4, 2/4, 3/4 and 4/4 to four machines");
}

}  // namespace
}  // namespace attune::autotune

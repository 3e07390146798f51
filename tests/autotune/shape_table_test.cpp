// From times of a few points on a few shapes to a rule on the lengths of a call.
#include "schedules/autotune/shape_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace attune::autotune {
namespace {

const std::vector<SeqLens> prefill = {{64, 64}, {128, 128}, {1024, 1024}, {4096, 4096}};

TEST(ShapeTable, SplitsWhereAnotherPointIsFaster) {
    const ShapeTable table = make_shape_table(prefill, {{{1}, {1, 1, 1, 1}}, {{2}, {0.5, 0.6, 1.5, 2}}, {{3}, {1.2, 1.1, 0.8, 0.7}}});
    EXPECT_EQ(table.rules, (std::vector<ShapeRule>{{256, 0, {2}}}));  // below sqrt(128 * 1024) = 362
    EXPECT_EQ(table.otherwise, (Point{3}));
    EXPECT_EQ(table.point_for({256, 9999}), (Point{2}));
    EXPECT_EQ(table.point_for({257, 1}), (Point{3}));
}

TEST(ShapeTable, LooksAtTheLengthThatTellsShapesApart) {
    const std::vector<SeqLens> decode = {{1, 300}, {1, 5000}, {1, 20000}};
    const ShapeTable table = make_shape_table(decode, {{{1}, {1, 1, 1}}, {{2}, {0.5, 1.2, 1.2}}, {{3}, {1.2, 1.2, 0.5}}});
    EXPECT_EQ(table.rules, (std::vector<ShapeRule>{{0, 1024, {2}}, {0, 8192, {1}}}));
    EXPECT_EQ(table.otherwise, (Point{3}));
}

TEST(ShapeTable, HasNoRuleForALittle) {
    const std::vector<RatedPoint> close = {{{1}, {1, 1}}, {{2}, {0.985, 1.1}}};
    EXPECT_TRUE(make_shape_table({{64, 64}, {1024, 1024}}, close).rules.empty());
    EXPECT_EQ(make_shape_table({{64, 64}, {1024, 1024}}, close).otherwise, (Point{1}));
    EXPECT_EQ(make_shape_table({{64, 64}, {1024, 1024}}, close, {.least_gain = 0.01}).rules.size(), 1u);
}

TEST(ShapeTable, CannotTellShapesOfOneLengthApart) {
    const ShapeTable table = make_shape_table({{64, 64}, {64, 64}}, {{{1}, {1, 1}}, {{2}, {0.5, 1.5}}, {{3}, {1.5, 0.4}}});
    EXPECT_TRUE(table.rules.empty());
    EXPECT_EQ(table.otherwise, (Point{3}));  // 1.5 * 0.4 is the least product
}

TEST(ShapeTable, HoldsPointsThatMayStandTogetherOnly) {
    const std::vector<RatedPoint> points = {{{1, 0}, {1, 1}}, {{2, 1}, {0.4, 2}}, {{3, 0}, {0.6, 1.1}}, {{4, 2}, {2, 0.4}}};
    const auto same_second = [](const Point &a, const Point &b) { return a[1] == b[1]; };
    const ShapeTable free = make_shape_table({{64, 64}, {1024, 1024}}, points);
    EXPECT_EQ(free.rules.at(0).point, (Point{2, 1}));
    EXPECT_EQ(free.otherwise, (Point{4, 2}));
    const ShapeTable kept = make_shape_table({{64, 64}, {1024, 1024}}, points, {.together = same_second});
    EXPECT_EQ(kept.rules.at(0).point, (Point{3, 0}));
    EXPECT_EQ(kept.otherwise, (Point{1, 0}));
    EXPECT_EQ(best_companions(2, points, same_second, 2), (std::vector<size_t>{0, 2}));
}

TEST(ShapeTable, ThresholdsLieBetweenNeighbours) {
    const ShapeTable table = make_shape_table({{100, 100}, {120, 120}}, {{{1}, {1, 1}}, {{2}, {0.5, 2}}});
    EXPECT_EQ(table.rules, (std::vector<ShapeRule>{{109, 0, {2}}}));  // no power of two between 100 and 120
}

RC_GTEST_PROP(ShapeTableOf, RandomTimesIsNoSlowerThanAnyPointAlone, ()) {
    const auto shapes = static_cast<size_t>(*rc::gen::inRange(1, 7)), count = static_cast<size_t>(*rc::gen::inRange(1, 6));
    std::vector<SeqLens> lens(shapes);
    for (SeqLens &shape : lens)
        shape = {*rc::gen::inRange(1, 9000), *rc::gen::inRange(1, 9000)};
    std::vector<RatedPoint> points;
    for (size_t i = 0; i < count; i++) {
        RatedPoint &point = points.emplace_back(RatedPoint{{static_cast<int>(i)}, {}});
        for (size_t s = 0; s < shapes; s++)
            point.times.push_back(i == 0 ? 1 : *rc::gen::inRange(10, 300) / 100.0);
    }
    const ShapeTable table = make_shape_table(lens, points);
    RC_ASSERT(table.rules.size() < 4u);
    double cost = 0;
    for (size_t s = 0; s < shapes; s++)
        cost += std::log(points[static_cast<size_t>(table.point_for(lens[s])[0])].times[s]);
    for (const RatedPoint &point : points) {
        double alone = 0;
        for (const double time : point.times)
            alone += std::log(time);
        RC_ASSERT(cost <= alone + 1e-9);
    }
    // Each rule takes some of the shapes: none is dead.
    for (size_t i = 0; i < table.rules.size(); i++)
        RC_ASSERT(i == 0 || table.rules[i].most_seq_len_q > table.rules[i - 1].most_seq_len_q || table.rules[i].most_seq_len_kv > table.rules[i - 1].most_seq_len_kv);
}

}  // namespace
}  // namespace attune::autotune

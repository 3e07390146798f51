#pragma once
#include "schedules/autotune/random.h"
#include "schedules/autotune/space.h"

#include <optional>
#include <set>

namespace attune::autotune {

/// The legal points of a space, and which of them have been asked for or told. The grid is walked once, when this is made: some microseconds a
/// point for its legality.
class Candidates {
public:
    explicit Candidates(const Space &space);

    /// The fallback first, then the grid in order.
    const std::vector<Point> &points() const { return points_; }
    bool taken(const Point &point) const { return taken_.contains(point); }
    /// Marks a point, which need not be one of these. False where it was marked already.
    bool take(const Point &point) { return taken_.insert(point).second; }

    /// A random point that is not taken; nothing where all are.
    std::optional<Point> random(Random &random) const;
    /// The position of each value in its parameter's list; of a value that is not there (a fallback's) the nearest one's.
    Point positions(const Point &point) const;
    /// The free legal point with the least sum of steps along the lists from these positions, a random one of several; nothing where all are taken.
    std::optional<Point> nearest(const Point &positions, Random &random) const;
    static int distance(const Point &a, const Point &b);

private:
    const std::vector<Parameter> parameters_;
    std::vector<Point> points_, positions_;
    std::set<Point> taken_;
};

}  // namespace attune::autotune

#include "schedules/autotune/candidates.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

namespace attune::autotune {

Candidates::Candidates(const Space &space) : parameters_(space.parameters), points_(space.legal_points()) {
    positions_.reserve(points_.size());
    for (const Point &point : points_)
        positions_.push_back(positions(point));
}

Point Candidates::positions(const Point &point) const {
    Point out;
    for (size_t i = 0; i < point.size(); i++) {
        const std::vector<int> &values = parameters_[i].values;
        const auto nearer = [&](int a, int b) { return std::abs(a - point[i]) < std::abs(b - point[i]); };
        out.push_back(static_cast<int>(std::min_element(values.begin(), values.end(), nearer) - values.begin()));
    }
    return out;
}

int Candidates::distance(const Point &a, const Point &b) {
    int sum = 0;
    for (size_t i = 0; i < a.size(); i++)
        sum += std::abs(a[i] - b[i]);
    return sum;
}

std::optional<Point> Candidates::random(Random &random) const {
    // From a random place to the next free one. That favours points behind taken ones, a little: a search takes few of many.
    const size_t first = random.below(points_.size());
    for (size_t i = 0; i < points_.size(); i++) {
        const Point &point = points_[(first + i) % points_.size()];
        if (!taken(point))
            return point;
    }
    return std::nullopt;
}

std::optional<Point> Candidates::nearest(const Point &positions, Random &random) const {
    int least = std::numeric_limits<int>::max();
    std::vector<size_t> found;
    for (size_t i = 0; i < points_.size(); i++) {
        const int away = distance(positions_[i], positions);
        if (away > least || taken(points_[i]))
            continue;
        if (away < least)
            found.clear();
        least = away;
        found.push_back(i);
    }
    if (found.empty())
        return std::nullopt;
    return points_[found[random.below(found.size())]];
}

}  // namespace attune::autotune

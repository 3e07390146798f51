#pragma once
#include <functional>
#include <string>
#include <vector>

namespace attune::autotune {

/// One value for each parameter, in the order of Space::parameters.
using Point = std::vector<int>;

/// A parameter of a schedule family with the values that are worth trying, ascending.
struct Parameter {
    std::string name;
    std::vector<int> values;
};

/// What can be chosen for one kernel on one target. The search knows nothing else of kernels.
struct Space {
    std::string family;  ///< "cpu_query_lanes"
    std::vector<Parameter> parameters;
    Point fallback;                                     ///< the default schedule; need not consist of the parameters' values
    std::function<std::string(const Point &)> error;    ///< why a point is illegal; "" where it is legal
    std::function<double(const Point &)> predicted_ms;  ///< the cost model; empty: there is none

    bool legal(const Point &point) const { return !error || error(point).empty(); }
    /// All legal points in lexicographic order of the values' positions; the fallback is first, whether it is on the grid or not.
    std::vector<Point> legal_points() const;
    /// "block_q=192 tile_q=3"
    std::string text(const Point &point) const;
    /// 16 hex digits of family, names, values and fallback.
    std::string fingerprint() const;
};

}  // namespace attune::autotune

#pragma once
#include "schedules/autotune/space.h"

#include <cstdint>

namespace attune::autotune {

/// What a rule looks at of a shape that is tuned for.
struct SeqLens {
    int64_t q = 0, kv = 0;
};

/// A point for the calls with seq_lens of at most these; 0: any.
struct ShapeRule {
    int64_t most_seq_len_q = 0, most_seq_len_kv = 0;
    Point point;
    bool operator==(const ShapeRule &) const = default;
};

/// The first rule that holds a call's seq_lens gives its point; of the others it is `otherwise`.
struct ShapeTable {
    std::vector<ShapeRule> rules;
    Point otherwise;

    const Point &point_for(const SeqLens &lens) const;
};

/// A point with its time for each shape, relative to the default's: smaller is better.
struct RatedPoint {
    Point point;
    std::vector<double> times;
};

/// Whether two points may stand in one table. An equivalence.
using MayStandTogether = std::function<bool(const Point &, const Point &)>;

struct ShapeTableOptions {
    MayStandTogether together = {};  ///< empty: any
    /// What a further point has to save, of one shape's time. Re-measured medians are known to about 0.5 %; below that a table follows noise.
    double least_gain = 0.02;
    size_t most_points = 4;  ///< each is a kernel's code
};

/// The table with the least product of times: thresholds on one of the two lengths, between the shapes that are tuned for. Without rules where one
/// point serves all of them best, or nearly so. points: the default first, which wins ties.
ShapeTable make_shape_table(const std::vector<SeqLens> &shapes, const std::vector<RatedPoint> &points,
                            const ShapeTableOptions &options = {});

/// Points that can stand together and would make the best table: of the `most` best for each shape their indices, ascending.
std::vector<size_t> best_companions(size_t shapes, const std::vector<RatedPoint> &points, const MayStandTogether &together, size_t most);

}  // namespace attune::autotune

#include "schedules/autotune/shape_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

namespace attune::autotune {
namespace {

/// Points that may stand together, by index, each class in order.
std::vector<std::vector<size_t>> classes_of(const std::vector<RatedPoint> &points, const MayStandTogether &together) {
    std::vector<std::vector<size_t>> classes;
    for (size_t i = 0; i < points.size(); i++) {
        const auto found = std::find_if(classes.begin(), classes.end(), [&](const std::vector<size_t> &members) {
            return !together || together(points[members.front()].point, points[i].point);
        });
        (found == classes.end() ? classes.emplace_back() : *found).push_back(i);
    }
    return classes;
}

/// Shapes of one length, in the order of lengths.
struct Group {
    int64_t length;
    std::vector<size_t> shapes;
};

std::vector<Group> groups_by(const std::vector<SeqLens> &shapes, int64_t SeqLens::*length) {
    std::map<int64_t, std::vector<size_t>> by_length;
    for (size_t i = 0; i < shapes.size(); i++)
        by_length[shapes[i].*length].push_back(i);
    std::vector<Group> groups;
    for (const auto &[value, members] : by_length)
        groups.push_back({value, members});
    return groups;
}

/// Between two lengths: the power of two below their geometric mean where there is one, else that mean.
int64_t threshold_between(int64_t below, int64_t above) {
    const auto mean = static_cast<int64_t>(std::sqrt(double(below) * double(above)));
    int64_t power = 1;
    while (2 * power <= mean)
        power *= 2;
    return power >= below ? power : std::clamp(mean, below, above - 1);
}

/// A run of groups with one point.
struct Segment {
    size_t first_group;
    size_t point;
};
struct Partition {
    double cost = 0;  ///< sum of log times, and the price of each segment but the first
    std::vector<Segment> segments;
};

/// Dynamic programming over the groups: best[n][end], of groups 0 … end - 1 in n segments.
Partition best_partition(const std::vector<Group> &groups, const std::vector<RatedPoint> &points, const std::vector<size_t> &members,
                         const ShapeTableOptions &options) {
    const auto cost_of = [&](size_t first, size_t end, size_t point) {
        double sum = 0;
        for (size_t group = first; group < end; group++)
            for (const size_t shape : groups[group].shapes)
                sum += std::log(points[point].times[shape]);
        return sum;
    };
    const double price = -std::log(1 - options.least_gain);
    std::vector<std::optional<Partition>> before(groups.size() + 1);
    before[0] = Partition{};
    Partition best;
    best.cost = std::numeric_limits<double>::infinity();
    for (size_t count = 1; count <= std::min(options.most_points, groups.size()); count++) {
        std::vector<std::optional<Partition>> now(groups.size() + 1);
        for (size_t end = 1; end <= groups.size(); end++)
            for (size_t first = 0; first < end; first++)
                for (const size_t point : members) {
                    if (!before[first])
                        continue;
                    const double cost = before[first]->cost + cost_of(first, end, point) + (count > 1 ? price : 0);
                    if (now[end] && now[end]->cost <= cost)
                        continue;
                    now[end] = before[first];
                    now[end]->cost = cost;
                    now[end]->segments.push_back({first, point});
                }
        if (now.back() && now.back()->cost < best.cost - 1e-12)
            best = *now.back();
        before = std::move(now);
    }
    return best;
}

}  // namespace

const Point &ShapeTable::point_for(const SeqLens &lens) const {
    for (const ShapeRule &rule : rules)
        if ((rule.most_seq_len_q == 0 || lens.q <= rule.most_seq_len_q) && (rule.most_seq_len_kv == 0 || lens.kv <= rule.most_seq_len_kv))
            return rule.point;
    return otherwise;
}

ShapeTable make_shape_table(const std::vector<SeqLens> &shapes, const std::vector<RatedPoint> &points, const ShapeTableOptions &options) {
    ShapeTable table{{}, points.front().point};
    double least = std::numeric_limits<double>::infinity();
    for (const std::vector<size_t> &members : classes_of(points, options.together))
        for (int64_t SeqLens::*length : {&SeqLens::q, &SeqLens::kv}) {
            const std::vector<Group> groups = groups_by(shapes, length);
            const Partition partition = best_partition(groups, points, members, options);
            if (partition.segments.empty() || partition.cost >= least - 1e-12)
                continue;
            least = partition.cost;
            table = {{}, points[partition.segments.back().point].point};
            for (size_t i = 0; i + 1 < partition.segments.size(); i++) {
                const size_t next = partition.segments[i + 1].first_group;
                ShapeRule &rule = table.rules.emplace_back();
                (length == &SeqLens::q ? rule.most_seq_len_q : rule.most_seq_len_kv) =
                    threshold_between(groups[next - 1].length, groups[next].length);
                rule.point = points[partition.segments[i].point].point;
            }
        }
    return table;
}

std::vector<size_t> best_companions(size_t shapes, const std::vector<RatedPoint> &points, const MayStandTogether &together, size_t most) {
    std::set<size_t> best;
    double least = std::numeric_limits<double>::infinity();
    for (const std::vector<size_t> &members : classes_of(points, together)) {
        std::set<size_t> chosen;
        double cost = 0;
        for (size_t shape = 0; shape < shapes; shape++) {
            std::vector<size_t> order = members;
            std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return points[a].times[shape] < points[b].times[shape]; });
            cost += std::log(points[order.front()].times[shape]);
            chosen.insert(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(std::min(most, order.size())));
        }
        if (cost < least)
            least = cost, best = chosen;
    }
    return {best.begin(), best.end()};
}

}  // namespace attune::autotune

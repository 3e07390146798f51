#include "schedules/autotune/listed.h"
#include "schedules/autotune/random.h"

#include <set>

namespace attune::autotune {
namespace {

/// Asks what is on a list and was not told.
class Listed : public Search {
public:
    explicit Listed(std::vector<Point> points) : points_(std::move(points)) {}

    std::vector<Point> ask(size_t most) override {
        std::vector<Point> out;
        for (; next_ < points_.size() && out.size() < most; next_++)
            if (!told_.contains(points_[next_]))
                out.push_back(points_[next_]);
        return out;
    }
    void tell(const Point &point, std::optional<double>) override { told_.insert(point); }

private:
    std::vector<Point> points_;
    size_t next_ = 0;
    std::set<Point> told_;
};

}  // namespace

std::unique_ptr<Search> make_exhaustive(const Space &space) {
    return std::make_unique<Listed>(space.legal_points());
}

std::unique_ptr<Search> make_random(const Space &space, uint64_t seed) {
    std::vector<Point> points = space.legal_points();
    Random(seed).shuffle(points);
    return std::make_unique<Listed>(std::move(points));
}

}  // namespace attune::autotune

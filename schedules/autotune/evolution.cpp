#include "schedules/autotune/evolution.h"
#include "schedules/autotune/candidates.h"

#include <algorithm>
#include <deque>
#include <limits>

namespace attune::autotune {
namespace {

constexpr size_t first_generation = 16, generation = 8;
constexpr size_t elite = 6;        // parents, the better the oftener
constexpr double crossover = 0.3;  // of the children; the others have one parent
constexpr double wander = 0.1;     // of the children: any point
constexpr double hopeless = 3;     // times the best prediction: such children are drawn again …
constexpr int redraws = 4;         // … this often at most, as the model errs

class Evolution : public Search {
public:
    Evolution(const Space &space, uint64_t seed) : space_(space), candidates_(space), random_(seed) {}

    std::vector<Point> ask(size_t most) override {
        std::vector<Point> out;
        while (out.size() < most) {
            // Generations are bred whole, however few points are asked for, and asked for to their end before the next: so what comes next
            // depends on what was told, not on the size of a batch.
            if (queue_.empty() && (!out.empty() || !breed()))
                break;
            out.push_back(queue_.front());
            queue_.pop_front();
        }
        return out;
    }

    void tell(const Point &point, std::optional<double> score) override {
        candidates_.take(point);
        std::erase(queue_, point);
        if (!score)
            return;
        const auto better = [](const Scored &a, const Scored &b) { return a.score < b.score; };
        const Scored scored = {*score, point};
        ranked_.insert(std::upper_bound(ranked_.begin(), ranked_.end(), scored, better), scored);
    }

private:
    struct Scored {
        double score;
        Point point;
    };

    /// False where no point is left.
    bool breed() {
        if (!begun_) {
            begun_ = true;
            first();
        } else {
            for (size_t i = 0; i < generation; i++)
                if (const std::optional<Point> point = child())
                    enqueue(*point);
        }
        return !queue_.empty();
    }

    void enqueue(const Point &point) {
        if (candidates_.take(point))
            queue_.push_back(point);
    }

    void first() {
        if (space_.predicted_ms) {
            std::vector<Scored> predicted;
            for (const Point &point : candidates_.points())
                predicted.push_back({space_.predicted_ms(point), point});
            std::stable_sort(predicted.begin(), predicted.end(), [](const Scored &a, const Scored &b) { return a.score < b.score; });
            best_prediction_ = predicted[0].score;
            for (size_t i = 0; i < predicted.size() && queue_.size() < first_generation / 2; i++)
                enqueue(predicted[i].point);
        }
        // Each the farthest of a few from those before it: a spread.
        while (queue_.size() < first_generation) {
            std::optional<Point> farthest;
            int most = -1;
            for (int i = 0; i < 8; i++) {
                const std::optional<Point> point = candidates_.random(random_);
                if (!point)
                    return;
                int away = std::numeric_limits<int>::max();
                for (const Point &other : queue_)
                    away = std::min(away, Candidates::distance(candidates_.positions(*point), candidates_.positions(other)));
                if (away > most)
                    most = away, farthest = point;
            }
            enqueue(*farthest);
        }
    }

    std::optional<Point> child() {
        std::optional<Point> point;
        for (int i = 0; i < redraws; i++) {
            point = ranked_.empty() || random_.unit() < wander ? candidates_.random(random_) : candidates_.nearest(descendant(), random_);
            if (!point || !space_.predicted_ms || space_.predicted_ms(*point) <= hopeless * best_prediction_)
                break;
        }
        return point;
    }

    /// In positions; the grid may have nothing legal there.
    Point descendant() {
        Point child = parent();
        if (random_.unit() < crossover) {
            const Point other = parent();
            for (size_t i = 0; i < child.size(); i++)
                if (random_.below(2) == 0)
                    child[i] = other[i];
            if (random_.below(2) == 0)
                return child;
        }
        for (size_t changes = child.empty() ? 0 : 1 + random_.below(2); changes > 0; changes--) {
            const size_t i = random_.below(child.size());
            const int last = static_cast<int>(space_.parameters[i].values.size()) - 1;
            if (random_.unit() < 0.7)
                child[i] = std::clamp(child[i] + (random_.below(2) == 0 ? -1 : 1), 0, last);
            else
                child[i] = static_cast<int>(random_.below(static_cast<size_t>(last) + 1));
        }
        return child;
    }

    Point parent() {
        const double u = random_.unit();  // squared: the best of six is a parent four times in ten
        const size_t among = std::min(elite, ranked_.size());
        return candidates_.positions(ranked_[static_cast<size_t>(u * u * static_cast<double>(among))].point);
    }

    const Space space_;
    Candidates candidates_;
    Random random_;
    std::deque<Point> queue_;
    std::vector<Scored> ranked_;  // the best first, of equal ones the earlier
    bool begun_ = false;
    double best_prediction_ = 0;
};

}  // namespace

std::unique_ptr<Search> make_evolution(const Space &space, uint64_t seed) {
    return std::make_unique<Evolution>(space, seed);
}

}  // namespace attune::autotune

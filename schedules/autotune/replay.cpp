#include "schedules/autotune/replay.h"
#include "generator/spec/error.h"

#include <limits>
#include <memory>
#include <set>

namespace attune::autotune {

Space Sweep::space() const {
    auto recorded = std::make_shared<std::set<Point>>();
    for (const Row &row : rows)
        recorded->insert(row.point);
    return {family, parameters, fallback, [recorded](const Point &point) { return recorded->contains(point) ? "" : "not in the sweep"; },
            nullptr};
}

namespace {

const Sweep::Row &default_row(const Sweep &sweep) {
    for (const Sweep::Row &row : sweep.rows)
        if (row.point == sweep.fallback && row.outcome == Outcome::ok)
            return row;
    throw Error({.code = ErrorCode::input,
                 .argument = "sweep",
                 .value = "one without its default's time",
                 .expected = "the default among its points, with times",
                 .cure = "sweep again: an exhaustive search begins with it"});
}

}  // namespace

double Sweep::score(const Row &row) const {
    return relative_score(row.median_ms, default_row(*this).median_ms);
}

size_t Sweep::best() const {
    size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    const std::vector<double> reference = default_row(*this).median_ms;
    for (size_t i = 0; i < rows.size(); i++) {
        const double score = relative_score(rows[i].median_ms, reference);
        if (score < least)
            least = score, best = i;
    }
    return best;
}

Sweep make_sweep(const Space &space, const std::vector<Trial> &trials, const std::vector<std::string> &shapes, const std::string &key,
                 const std::string &machine) {
    Sweep sweep = {key, machine, space.family, space.parameters, space.fallback, shapes, {}};
    for (const Trial &trial : trials) {
        const bool ok = trial.evaluation.outcome == Outcome::ok;
        sweep.rows.push_back({trial.point, trial.evaluation.outcome, ok ? medians_of(trial.evaluation) : std::vector<double>()});
    }
    return sweep;
}

Replay::Replay(const Sweep &sweep) {
    for (const Sweep::Row &row : sweep.rows) {
        Evaluation evaluation = {row.outcome, {}, 0, 0, row.outcome == Outcome::ok ? "" : "recorded"};
        for (const double median : row.median_ms)
            evaluation.times_ms.push_back({median});
        recorded_[row.point] = evaluation;
    }
}

std::vector<Evaluation> Replay::evaluate(const std::vector<Point> &points, const std::function<void(size_t, const Evaluation &)> &on_done) {
    std::vector<Evaluation> out;
    for (const Point &point : points) {
        const auto found = recorded_.find(point);
        out.push_back(found != recorded_.end() ? found->second : Evaluation{Outcome::compile_failed, {}, 0, 0, "not in the sweep"});
        if (on_done)
            on_done(out.size() - 1, out.back());
    }
    return out;
}

std::vector<std::vector<std::vector<double>>> Replay::remeasure(const std::vector<Point> &points, int rounds) {
    std::vector<std::vector<std::vector<double>>> out;
    for (const Point &point : points) {
        std::vector<std::vector<double>> times;
        for (const double median : medians_of(recorded_[point]))
            times.emplace_back(rounds, median);
        out.push_back(times);
    }
    return out;
}

}  // namespace attune::autotune

#include "schedules/autotune/leaders.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attune::autotune {
namespace {

std::vector<double> medians(const Leader &leader) {
    std::vector<double> out;
    for (const std::vector<double> &times : leader.times_ms)
        out.push_back(median_of(times));
    return out;
}

std::vector<double> relative_medians(const Leader &leader, const Leader &reference) {
    std::vector<double> times = medians(leader);
    for (size_t shape = 0; shape < times.size(); shape++)
        times[shape] /= reference.median_ms(shape);
    return times;
}

/// Indices of the `most` least, trials that are not ok left out. Equal ones in the order of trials.
template <class Value>
std::vector<size_t> least(const std::vector<Trial> &trials, int most, const Value &value) {
    std::vector<size_t> out;
    for (size_t i = 1; i < trials.size(); i++)
        if (std::isfinite(trials[i].score))
            out.push_back(i);
    std::stable_sort(out.begin(), out.end(), [&](size_t a, size_t b) { return value(trials[a]) < value(trials[b]); });
    out.resize(std::min(out.size(), static_cast<size_t>(std::max(most, 0))));
    return out;
}

/// Trials that could make a table together: two for each shape.
std::vector<size_t> companions(const std::vector<Trial> &trials, const TuneOptions &options) {
    const std::vector<double> reference = medians_of(trials[0].evaluation);
    std::vector<RatedPoint> points;
    std::vector<size_t> place;
    for (size_t i = 0; i < trials.size(); i++) {
        if (!std::isfinite(trials[i].score))
            continue;
        std::vector<double> times = medians_of(trials[i].evaluation);
        for (size_t shape = 0; shape < times.size(); shape++)
            times[shape] /= reference[shape];
        points.push_back({trials[i].point, times});
        place.push_back(i);
    }
    std::vector<size_t> out;
    for (const size_t i : best_companions(reference.size(), points, options.together, 2))
        out.push_back(place[i]);
    return out;
}

/// The default and those worth another look.
std::vector<Leader> leaders_of(const std::vector<Trial> &trials, const TuneOptions &options) {
    std::vector<size_t> chosen = least(trials, options.leaders, [](const Trial &trial) { return trial.score; });
    const size_t shapes = trials[0].evaluation.times_ms.size();
    if (options.by_shape && shapes > 1)
        for (size_t shape = 0; shape < shapes; shape++)
            for (const size_t i :
                 least(trials, std::min(options.leaders, 2), [&](const Trial &t) { return t.evaluation.median_ms(shape); }))
                if (std::find(chosen.begin(), chosen.end(), i) == chosen.end())
                    chosen.push_back(i);
    if (options.by_shape && !options.seq_lens.empty())
        for (const size_t i : companions(trials, options))
            if (i != 0 && std::find(chosen.begin(), chosen.end(), i) == chosen.end())
                chosen.push_back(i);
    chosen.insert(chosen.begin(), 0);
    std::vector<Leader> out;
    for (const size_t i : chosen)
        out.push_back({trials[i].point, static_cast<int64_t>(i), trials[i].score, std::vector<std::vector<double>>(shapes), 1});
    return out;
}

bool precise(const std::vector<Leader> &leaders, double precision) {
    for (const Leader &leader : leaders)
        for (const std::vector<double> &times : leader.times_ms)
            if (!times.empty() && spread_of(times) > precision * std::sqrt(static_cast<double>(times.size())))
                return false;
    return true;
}

void remeasure(std::vector<Leader> &leaders, Evaluator &evaluator, const TuneOptions &options,
               const std::function<void(Progress)> &report) {
    std::vector<Point> points;
    for (const Leader &leader : leaders)
        points.push_back(leader.point);
    for (int done = 0; done < options.most_rounds && (done == 0 || !precise(leaders, options.precision));) {
        const int rounds = std::min(std::max(options.rounds, 1), options.most_rounds - done);
        const auto times = evaluator.remeasure(points, rounds);
        for (size_t i = 0; i < leaders.size() && i < times.size(); i++)
            for (size_t shape = 0; shape < leaders[i].times_ms.size() && shape < times[i].size(); shape++)
                leaders[i].times_ms[shape].insert(leaders[i].times_ms[shape].end(), times[i][shape].begin(), times[i][shape].end());
        done += rounds;
        const std::vector<double> reference = medians(leaders[0]);
        for (Leader &leader : leaders)
            leader.score = relative_score(medians(leader), reference);  // infinite where one failed this time
        const auto best =
            std::min_element(leaders.begin(), leaders.end(), [](const Leader &a, const Leader &b) { return a.score < b.score; });
        Progress progress;
        progress.remeasuring = true, progress.done = done, progress.trials = options.most_rounds;
        progress.best = best->point, progress.best_score = best->score;
        report(progress);
    }
}

}  // namespace

double Leader::median_ms(size_t shape) const {
    return shape < times_ms.size() ? median_of(times_ms[shape]) : NAN;
}
double Leader::spread(size_t shape) const {
    return shape < times_ms.size() ? spread_of(times_ms[shape]) : NAN;
}

void choose(TuneResult &result, Evaluator &evaluator, const TuneOptions &options, const std::function<void(Progress)> &report) {
    std::vector<Leader> leaders = leaders_of(result.trials, options);
    const size_t shapes = leaders[0].times_ms.size();
    const Point standard = leaders[0].point;
    result.chosen = result.table.otherwise = standard;
    if (options.by_shape) {
        result.chosen_by_shape.assign(shapes, standard);
        result.speed_up_by_shape.assign(shapes, 1);
    }
    if (leaders.size() == 1) {  // nothing to measure it beside
        leaders[0].times_ms = result.trials[0].evaluation.times_ms;
        result.leaders = leaders;
        return;
    }
    remeasure(leaders, evaluator, options, report);
    if (!std::isfinite(leaders[0].score))
        throw internal_error("measuring the default again", "it gave no times");
    for (size_t shape = 0; options.by_shape && shape < shapes; shape++)
        for (const Leader &leader : leaders) {
            const double speed_up = leaders[0].median_ms(shape) / leader.median_ms(shape);
            if (speed_up > result.speed_up_by_shape[shape])  // not of equal ones: the default is first
                result.speed_up_by_shape[shape] = speed_up, result.chosen_by_shape[shape] = leader.point;
        }
    if (options.by_shape && options.seq_lens.size() == shapes) {
        std::vector<RatedPoint> points;
        for (const Leader &leader : leaders)
            if (std::isfinite(leader.score))
                points.push_back({leader.point, relative_medians(leader, leaders[0])});
        result.table = make_shape_table(options.seq_lens, points, {.together = options.together});
        double sum = 0;
        for (size_t shape = 0; shape < shapes; shape++)
            for (const RatedPoint &rated : points)
                if (rated.point == result.table.point_for(options.seq_lens[shape]))
                    sum -= std::log(rated.times[shape]);
        result.table_speed_up = std::exp(sum / static_cast<double>(shapes));
    }
    // Stable, and the default first: of equal ones it wins.
    std::stable_sort(leaders.begin(), leaders.end(), [](const Leader &a, const Leader &b) { return a.score < b.score; });
    result.chosen = leaders[0].point;
    result.speed_up = 1 / leaders[0].score;
    result.leaders = std::move(leaders);
}

}  // namespace attune::autotune

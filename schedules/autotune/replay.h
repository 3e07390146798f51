#pragma once
#include "schedules/autotune/trial.h"

#include <map>

namespace attune::autotune {

/// An exhaustive sweep of one kernel on one machine, as a file keeps it: what a search would have measured, point by point.
struct Sweep {
    std::string key;      ///< specification and target, one line
    std::string machine;  ///< CPU, clock policy, versions, date, one line
    std::string family;
    std::vector<Parameter> parameters;
    Point fallback;
    std::vector<std::string> shapes;  ///< a name for each; times have this order
    struct Row {
        Point point;
        Outcome outcome = Outcome::ok;
        std::vector<double> median_ms;  ///< for each shape; empty unless ok
    };
    std::vector<Row> rows;

    /// Its legal points are the recorded ones; no cost model. Holds a copy of the sweep.
    Space space() const;
    /// Index of the row with the least geometric mean over shapes of median / the default's median; throws Error(input) without an ok default.
    size_t best() const;
    /// That mean; infinite unless ok.
    double score(const Row &row) const;
};

/// The sweep that trials of an exhaustive search amount to: medians in place of repetitions.
Sweep make_sweep(const Space &space, const std::vector<Trial> &trials, const std::vector<std::string> &shapes, const std::string &key,
                 const std::string &machine);
/// Throw Error(input): the file cannot be read or written, or is no sweep.
Sweep read_sweep(const std::string &path);
void write_sweep(const std::string &path, const Sweep &sweep);

/// Answers from a sweep, at once and without noise: each list of times is the recorded median alone.
class Replay : public Evaluator {
public:
    explicit Replay(const Sweep &sweep);
    std::vector<Evaluation> evaluate(const std::vector<Point> &points,
                                     const std::function<void(size_t, const Evaluation &)> &on_done) override;
    std::vector<std::vector<std::vector<double>>> remeasure(const std::vector<Point> &points, int rounds) override;

private:
    std::map<Point, Evaluation> recorded_;
};

}  // namespace attune::autotune

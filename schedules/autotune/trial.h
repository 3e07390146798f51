#pragma once
#include "schedules/autotune/space.h"

#include <cstdint>
#include <optional>

namespace attune::autotune {

/// What became of one point. Only `ok` can win.
enum class Outcome { ok, compile_failed, crashed, timed_out, wrong };
const char *outcome_name(Outcome outcome);
std::optional<Outcome> outcome_of(const std::string &name);

/// One evaluated point. Times are of calls, a list for each shape that is tuned for.
struct Evaluation {
    Outcome outcome = Outcome::ok;
    std::vector<std::vector<double>> times_ms;  ///< [shape][repetition]
    double error_share = 0;                     ///< of the derived bound, the largest over shapes; <= 1 is right
    double compile_s = 0;
    std::string message;  ///< of a failure, one line

    double median_ms(size_t shape = 0) const;
    double spread(size_t shape = 0) const;  ///< (third quartile - first) / median
};

/// A line of the journal.
struct Trial {
    int64_t index = 0;  ///< 0 is the default schedule
    Point point;
    Evaluation evaluation;
    double score = 0;      ///< geometric mean over shapes of median / the default's median: smaller is better; infinite unless ok
    double elapsed_s = 0;  ///< of the tuning when it was known, earlier runs included
};

/// The middle of a list, of the two middles their mean; NaN of none. (Third quartile - first) / median, by interpolation; NaN of none.
double median_of(std::vector<double> values);
double spread_of(std::vector<double> values);
/// The median for each shape.
std::vector<double> medians_of(const Evaluation &evaluation);
/// Geometric mean over shapes of median / reference; infinite where one of them is missing.
double relative_score(const std::vector<double> &medians, const std::vector<double> &reference);

/// Where points become times: a child process on this machine, a runner's machine, or a recorded sweep.
class Evaluator {
public:
    virtual ~Evaluator() = default;
    /// Compiles side by side, measures one after another; results in the points' order. on_done is told each as it is known.
    /// One that is asked to stop from elsewhere may return early, with an empty list: what on_done was not told of is no trial.
    virtual std::vector<Evaluation> evaluate(const std::vector<Point> &points,
                                             const std::function<void(size_t, const Evaluation &)> &on_done) = 0;
    /// Times of points that were ok, `rounds` rounds of all in turn, so that all see the same neighbours and clock: [point][shape][round].
    virtual std::vector<std::vector<std::vector<double>>> remeasure(const std::vector<Point> &points, int rounds) = 0;
};

}  // namespace attune::autotune

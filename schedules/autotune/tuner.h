#pragma once
#include "schedules/autotune/search.h"
#include "schedules/autotune/shape_table.h"
#include "schedules/autotune/trial.h"

#include <atomic>

namespace attune::autotune {

class Journal;

/// Where a run is, after each trial and after each round of re-measuring.
struct Progress {
    bool remeasuring = false;
    int64_t done = 0, trials = 0;  ///< trials known and asked for; while re-measuring: rounds done, and the most there will be
    const Trial *last = nullptr;   ///< the trial that ended; null while re-measuring
    Point best;
    double best_score = 1;   ///< relative to the default, smaller is better
    double elapsed_s = 0;    ///< of the tuning, earlier runs included
    double remaining_s = 0;  ///< estimate, until trials or seconds are used up; of the search alone
};

struct TuneOptions {
    int64_t trials = 100;      ///< the default and those of earlier runs included
    double seconds = 0;        ///< of searching, earlier runs included; 0: no limit. A batch that has begun is finished
    int64_t batch = 8;         ///< points that the evaluator is given at once
    int leaders = 5;           ///< best points that are measured again beside the default
    bool by_shape = false;     ///< also the best point for each shape, and a table: their leaders are measured again too
    std::vector<SeqLens> seq_lens = {};   ///< of each shape; none: no table
    MayStandTogether together = {};       ///< which points may be in one table; empty: any
    int rounds = 3;            ///< of re-measuring, as many at a time as this …
    int most_rounds = 15;      ///< … until every median is known to `precision`, or to this many
    double precision = 0.005;  ///< spread / sqrt(rounds): about the error of a median, relative
    /// Set from elsewhere: the search ends, its leaders are measured again. An evaluator may look at it too and return early.
    const std::atomic<bool> *stop = nullptr;
    std::function<void(const Progress &)> progress = {};
    std::function<double()> clock = {};  ///< seconds; empty: the steady clock
};

/// A point that was measured again, in turn with the others.
struct Leader {
    Point point;
    int64_t trial = 0;                          ///< its index; 0: the default
    double search_score = 1;                    ///< as the search saw it
    std::vector<std::vector<double>> times_ms;  ///< [shape][round]
    double score = 1;                           ///< geometric mean over shapes of median / the default's median

    double median_ms(size_t shape = 0) const;
    double spread(size_t shape = 0) const;
};

enum class StoppedBy { trials, seconds, stop, exhausted };
const char *stopped_by_name(StoppedBy reason);

/// What a report needs.
struct TuneResult {
    std::vector<Trial> trials;              ///< in the order in which they were asked for; 0 is the default
    std::vector<double> best_so_far;        ///< the least score among trials 0 to i
    std::vector<Leader> leaders;            ///< the fastest first; the default is among them
    Point chosen;                           ///< for all shapes: the least score; the default unless another is better
    double speed_up = 1;                    ///< default / chosen, geometric mean over shapes, of re-measured medians; >= 1
    std::vector<Point> chosen_by_shape;     ///< with by_shape: for each shape the point of the least median there
    std::vector<double> speed_up_by_shape;  ///< >= 1
    ShapeTable table;                       ///< with by_shape and seq_lens; without rules where one point is as good: it is `otherwise`
    double table_speed_up = 1;              ///< default / the table's points, as speed_up
    int64_t resumed = 0;                    ///< trials that were taken from the journal
    double elapsed_s = 0;                   ///< of searching, earlier runs included
    StoppedBy stopped_by = StoppedBy::trials;
};

/// Searches, measures the leaders again and chooses. Trial 0 is the default.
/// With a journal, its trials are told to the search and not evaluated again: a search that asks the same points goes on where it was; one
/// that asks others is told of those too.
/// Throws Error(check_failed) where the default itself fails, and what search, evaluator and journal throw.
TuneResult tune(const Space &space, Search &search, Evaluator &evaluator, Journal *journal, const TuneOptions &options);

}  // namespace attune::autotune

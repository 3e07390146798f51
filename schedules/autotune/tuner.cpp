#include "schedules/autotune/tuner.h"
#include "generator/spec/error.h"
#include "schedules/autotune/journal.h"
#include "schedules/autotune/leaders.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>

namespace attune::autotune {
namespace {

class Run {
public:
    Run(const Space &space, Search &search, Evaluator &evaluator, Journal *journal, const TuneOptions &options)
        : space_(space), search_(search), evaluator_(evaluator), journal_(journal), options_(options), begin_(now()) {
        if (journal_)
            for (const Trial &trial : journal_->recorded()) {
                earlier_s_ = std::max(earlier_s_, trial.elapsed_s);
                if (recorded_.try_emplace(trial.point, trial).second)  // a point that is there twice counts once
                    order_.push_back(trial.point);
            }
        last_s_ = earlier_s_;
    }

    TuneResult run() {
        batch({space_.fallback});
        if (result_.trials.empty())  // stopped before there was anything
            return nothing();
        while (static_cast<int64_t>(result_.trials.size()) < options_.trials) {
            const std::vector<Point> points = search_.ask(next_batch());
            if (points.empty()) {
                result_.stopped_by = StoppedBy::exhausted;
                break;
            }
            const bool fresh = std::any_of(points.begin(), points.end(), [&](const Point &point) { return !recorded_.contains(point); });
            if (fresh && must_stop())
                break;
            batch(points);
            if (fresh)
                absorb();
        }
        absorb();
        result_.elapsed_s = std::max(elapsed(), last_s_);
        choose(result_, evaluator_, options_, [&](Progress progress) { report(progress); });
        return std::move(result_);
    }

private:
    double now() const {
        if (options_.clock)
            return options_.clock();
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
    double elapsed() const { return earlier_s_ + now() - begin_; }
    double trial_s() const { return fresh_ > 0 ? (now() - begin_) / static_cast<double>(fresh_) : 0; }

    bool must_stop() {
        if (options_.stop && *options_.stop) {
            result_.stopped_by = StoppedBy::stop;
            return true;
        }
        if (options_.seconds > 0 && elapsed() >= options_.seconds) {
            result_.stopped_by = StoppedBy::seconds;
            return true;
        }
        return false;
    }

    /// As many as the evaluator may be given at once; towards the end of the seconds no more than there is time for.
    size_t next_batch() const {
        int64_t most = std::min(std::max<int64_t>(options_.batch, 1), options_.trials - static_cast<int64_t>(result_.trials.size()));
        if (options_.seconds > 0 && trial_s() > 0)
            most = std::clamp(static_cast<int64_t>(std::min((options_.seconds - elapsed()) / trial_s(), 1e6)), int64_t(1), most);
        return static_cast<size_t>(most);
    }

    /// Takes the results of earlier runs, evaluates the others, and tells all in the order in which they were asked for, so that a search that
    /// goes on sees what one that was never interrupted saw.
    void batch(const std::vector<Point> &points) {
        std::vector<std::optional<Trial>> trials(points.size());
        std::vector<Point> fresh;
        std::vector<size_t> place;
        for (size_t i = 0; i < points.size(); i++) {
            if (const auto found = recorded_.find(points[i]); found != recorded_.end()) {
                trials[i] = found->second;
                count(found->second);
                recorded_.erase(found);
                result_.resumed++;
                continue;
            }
            fresh.push_back(points[i]);
            place.push_back(i);
        }
        if (!fresh.empty()) {
            const size_t before = result_.trials.size();
            const auto done = [&](size_t i, const Evaluation &evaluation) {
                if (trials[place.at(i)])
                    return;
                const Trial trial = {static_cast<int64_t>(before + place[i]), fresh[i], evaluation, score_of(evaluation), elapsed()};
                trials[place[i]] = trial;
                // A default that fails ends the tuning, and is not what the next run should begin with.
                if (journal_ && (before > 0 || std::isfinite(trial.score)))
                    journal_->append(trial);
                fresh_++;
                count(trial);
                report_trial(trial);
            };
            const std::vector<Evaluation> evaluations = evaluator_.evaluate(fresh, done);
            for (size_t i = 0; i < evaluations.size() && evaluations.size() == fresh.size(); i++)
                done(i, evaluations[i]);
        }
        for (const std::optional<Trial> &trial : trials)
            if (trial)
                add(*trial);
    }

    /// Trials of an earlier run that this run's search did not ask for: an external one's, or of more trials than are wanted now.
    void absorb() {
        for (const Point &point : order_)
            if (recorded_.contains(point))
                batch({point});
    }

    void add(Trial trial) {
        trial.index = static_cast<int64_t>(result_.trials.size());
        if (trial.index == 0) {
            reference_ = medians_of(trial.evaluation);
            refuse_failed(trial);
        }
        trial.score = score_of(trial.evaluation);
        last_s_ = std::max(last_s_, trial.elapsed_s);
        const bool ok = std::isfinite(trial.score);
        search_.tell(trial.point, ok ? std::optional(trial.score) : std::nullopt);
        result_.best_so_far.push_back(std::min(trial.score, result_.best_so_far.empty() ? trial.score : result_.best_so_far.back()));
        result_.trials.push_back(std::move(trial));
    }

    double score_of(const Evaluation &evaluation) const {
        if (evaluation.outcome != Outcome::ok)
            return std::numeric_limits<double>::infinity();
        return reference_.empty() ? 1 : relative_score(medians_of(evaluation), reference_);  // the first is the default itself
    }

    void refuse_failed(const Trial &trial) const {
        if (trial.evaluation.outcome == Outcome::ok && std::isfinite(score_of(trial.evaluation)))
            return;
        const std::string outcome = trial.evaluation.outcome == Outcome::ok ? "without times" : outcome_name(trial.evaluation.outcome);
        throw Error({.code = ErrorCode::check_failed,
                     .argument = "default schedule",
                     .value = outcome,
                     .expected = "a right result and times, which all others are compared with",
                     .cure = "mend it and tune again",
                     .problem = fmt::format("the default schedule, {}, failed: {}{}{}", space_.text(trial.point), outcome,
                                            trial.evaluation.message.empty() ? "" : ", ", trial.evaluation.message)});
    }

    void report(Progress progress) const {
        if (!options_.progress)
            return;
        progress.elapsed_s = elapsed();
        options_.progress(progress);
    }

    void report_trial(const Trial &trial) {
        Progress progress;
        progress.done = known_, progress.trials = options_.trials;
        progress.last = &trial;
        progress.best = best_, progress.best_score = best_score_;
        progress.remaining_s = trial_s() * static_cast<double>(std::max<int64_t>(options_.trials - known_, 0));
        if (options_.seconds > 0)
            progress.remaining_s = std::clamp(options_.seconds - elapsed(), 0.0, progress.remaining_s);
        report(progress);
    }

    void count(const Trial &trial) {
        known_++;
        if (best_.empty() || trial.score < best_score_)
            best_ = trial.point, best_score_ = trial.score;
    }

    TuneResult nothing() {
        result_.chosen = space_.fallback;
        result_.stopped_by = StoppedBy::stop;
        return std::move(result_);
    }

    const Space &space_;
    Search &search_;
    Evaluator &evaluator_;
    Journal *const journal_;
    const TuneOptions &options_;
    const double begin_;
    double earlier_s_ = 0, last_s_ = 0;  // of earlier runs
    int64_t fresh_ = 0;                  // trials of this run
    std::map<Point, Trial> recorded_;    // of earlier runs, not asked for yet
    std::vector<Point> order_;           // theirs
    std::vector<double> reference_;      // the default's medians
    TuneResult result_;
    int64_t known_ = 0;  // trials of either kind, those of the batch that is on included
    Point best_;         // of these
    double best_score_ = 1;
};

}  // namespace

const char *stopped_by_name(StoppedBy reason) {
    constexpr const char *names[] = {"trials", "seconds", "stop", "exhausted"};
    return names[static_cast<size_t>(reason)];
}

TuneResult tune(const Space &space, Search &search, Evaluator &evaluator, Journal *journal, const TuneOptions &options) {
    return Run(space, search, evaluator, journal, options).run();
}

}  // namespace attune::autotune

#include "generator/cli/tune/local_evaluator.h"

#include "generator/backend/schedule_space.h"
#include "generator/cli/tune/messages.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::cli {

using autotune::Evaluation;
using autotune::Outcome;
using autotune::Point;

LocalEvaluator::LocalEvaluator(std::vector<autotune::Parameter> parameters, LocalOptions options)
    : parameters_(std::move(parameters)), options_(std::move(options)),
      compilers_(options_.worker, options_.environment, options_.compilers, options_.compile_timeout_s, options_.stop),
      measurer_(std::make_unique<WorkerProcess>(options_.worker, options_.environment)), best_ms_(options_.shapes, 0.0) {}

LocalEvaluator::~LocalEvaluator() = default;

Evaluation LocalEvaluator::measure(const Point &point, const CompileResult &compiled) {
    if (!compiled.failure.empty())
        return compiled.evaluation();
    measurer_->send(
        {{"measure", parameters_object(overrides_of(parameters_, point))}, {"seconds", options_.sample_seconds}, {"best_ms", best_ms_}});
    const std::optional<Json> answer = measurer_->receive(options_.measure_timeout_s);
    Evaluation evaluation;
    if (!answer) {
        evaluation = measurer_->lost()
                         ? failed_evaluation(Outcome::crashed, "the kernel ended its process with " + measurer_->end())
                         : failed_evaluation(Outcome::timed_out, fmt::format("measuring took more than {} s", options_.measure_timeout_s));
        measurer_->restart();
    } else {
        evaluation = measured_evaluation(*answer);
    }
    evaluation.compile_s = compiled.seconds();
    if (evaluation.outcome == Outcome::ok)
        for (size_t shape = 0; shape < best_ms_.size(); shape++) {
            const double ms = evaluation.median_ms(shape);
            best_ms_[shape] = best_ms_[shape] > 0 ? std::min(best_ms_[shape], ms) : ms;
        }
    return evaluation;
}

std::vector<Evaluation> LocalEvaluator::evaluate(const std::vector<Point> &points,
                                                 const std::function<void(size_t, const Evaluation &)> &on_done) {
    std::vector<Json> requests;
    for (const Point &point : points)
        requests.push_back({{"compile", parameters_object(overrides_of(parameters_, point))}});
    const std::vector<CompileResult> compiled = compilers_.compile(requests);
    std::vector<Evaluation> evaluations;
    for (size_t i = 0; i < points.size(); i++) {
        if (stopped())
            return {};
        evaluations.push_back(measure(points[i], compiled[i]));
        on_done(i, evaluations.back());
    }
    return evaluations;
}

std::vector<std::vector<std::vector<double>>> LocalEvaluator::remeasure(const std::vector<Point> &points, int rounds) {
    std::vector<std::vector<std::vector<double>>> times(points.size(), std::vector<std::vector<double>>(options_.shapes));
    for (int round = 0; round < rounds; round++)
        for (size_t shape = 0; shape < options_.shapes; shape++)
            for (size_t i = 0; i < points.size(); i++) {
                measurer_->send({{"time", parameters_object(overrides_of(parameters_, points[i]))}, {"shape", shape}});
                const std::optional<Json> answer = measurer_->receive(options_.measure_timeout_s);
                if (!answer || !answer->contains("ms"))
                    throw Error({.code = ErrorCode::check_failed,
                                 .argument = "a leader of the search",
                                 .value = answer              ? answer->value("error", "no time")
                                          : measurer_->lost() ? measurer_->end()
                                                              : "no answer",
                                 .expected = "a time, as when it was a trial",
                                 .cure = "tune again with --resume"});
                times[i][shape].push_back((*answer)["ms"].get<double>());
            }
    return times;
}

}  // namespace attune::cli

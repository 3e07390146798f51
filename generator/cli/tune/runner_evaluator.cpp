#include "generator/cli/tune/runner_evaluator.h"

#include "generator/backend/schedule_space.h"
#include "generator/cli/tune/messages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

namespace attune::cli {

using autotune::Evaluation;
using autotune::Outcome;
using autotune::Point;

namespace {

using Clock = std::chrono::steady_clock;

/// The program's own time-out: later than ours, so that ours says what happened.
int far_timeout_s(double seconds) {
    return static_cast<int>(std::ceil(seconds)) + 5;
}

/// Its end, so that its shell can remove the file before the process is killed.
void await_end(WorkerProcess &process) {
    constexpr int patience_s = 5;
    for (int i = 0; i < patience_s && !process.lost(); i++)
        process.receive(1);
}

/// Which kernel of the program an answer is of. Throws Error(target) where it is none.
size_t index_in(const Json &answer, const char *key, size_t kernels, const Runner &runner) {
    const size_t index = answer.contains(key) && answer[key].is_number_unsigned() ? answer[key].get<size_t>() : kernels;
    if (index >= kernels)
        throw runner_error(runner, answer.contains("error") ? "says: " + answer["error"].dump() : "answered " + answer.dump());
    return index;
}

}  // namespace

/// Points of one program, by their index in it, and what is known of them.
struct RunnerEvaluator::Batch {
    std::string program;
    std::vector<size_t> left;    ///< indices in `results`, in the order in which they are measured
    std::vector<size_t> kernel;  ///< of each of results: its number in the program
    std::vector<std::optional<Evaluation>> results;
    std::function<void()> on_result;

    void finish(size_t index, Evaluation evaluation) {
        results[index] = std::move(evaluation);
        std::erase(left, index);
        on_result();
    }
};

RunnerEvaluator::RunnerEvaluator(const TuneJob &job, std::vector<autotune::Parameter> parameters, Runner runner, TrialLinker &linker,
                                 RunnerOptions options)
    : job_(job), parameters_(std::move(parameters)), runner_(std::move(runner)), linker_(linker), options_(std::move(options)),
      compilers_(options_.local.worker, options_.local.environment, options_.local.compilers, options_.local.compile_timeout_s,
                 options_.local.stop),
      best_ms_(job.shapes.size(), 0.0) {}

TrialKernel RunnerEvaluator::kernel_of(const Point &point, const std::string &name) const {
    const KernelPlan plan = plan_kernel(job_.spec, *job_.target, overrides_of(parameters_, point));
    return {name, plan.parameters, plan.rounds_weights};
}

std::vector<CompileResult> RunnerEvaluator::compile(const std::vector<Point> &points) {
    std::vector<Json> requests;
    std::vector<std::string> names;
    for (const Point &point : points) {
        names.push_back(fmt::format("trial_{}", named_++));
        requests.push_back(
            {{"build", parameters_object(overrides_of(parameters_, point))}, {"name", names.back()}, {"folder", options_.folder}});
    }
    std::vector<CompileResult> results = compilers_.compile(requests);
    for (size_t i = 0; i < points.size(); i++)
        names_[points[i]] = names[i];
    return results;
}

std::string RunnerEvaluator::program(const std::vector<Point> &points) {
    if (points == linked_points_ && !linked_program_.empty())
        return linked_program_;
    if (!linked_program_.empty())
        std::filesystem::remove(linked_program_);
    linked_program_.clear();
    std::vector<TrialKernel> kernels;
    std::vector<std::string> archives;
    for (const Point &point : points) {
        kernels.push_back(kernel_of(point, names_.at(point)));
        archives.push_back(fmt::format("{}/{}.a", options_.folder, names_.at(point)));
    }
    linked_program_ = linker_.link(*job_.target, trial_job_json(job_, kernels), archives);
    linked_points_ = points;
    return linked_program_;
}

std::optional<Json> RunnerEvaluator::receive(WorkerProcess &process, double seconds) const {
    constexpr double look_again_s = 0.1;  // for a stop
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    while (!stopped() && !process.lost() && Clock::now() < deadline)
        if (std::optional<Json> answer = process.receive(look_again_s))
            return answer;
    return std::nullopt;
}

void RunnerEvaluator::remember_best(const Evaluation &evaluation) {
    for (size_t shape = 0; shape < best_ms_.size() && evaluation.outcome == Outcome::ok; shape++) {
        const double ms = evaluation.median_ms(shape);
        best_ms_[shape] = best_ms_[shape] > 0 ? std::min(best_ms_[shape], ms) : ms;
    }
}

/// One run of the program, of what is left of the batch. It has measured a point, or ended in one, or it throws: so the next run has less to do.
void RunnerEvaluator::run(Batch &batch) {
    const LocalOptions &local = options_.local;
    std::vector<size_t> kernels;
    for (const size_t i : batch.left)
        kernels.push_back(batch.kernel[i]);
    const auto process =
        runner_.start(batch.program, fmt::format("measure {} {} {} {}", local.sample_seconds, far_timeout_s(local.measure_timeout_s),
                                                 fmt::join(best_ms_, ","), fmt::join(kernels, " ")));
    const auto of_kernel = [&](size_t kernel) {
        return static_cast<size_t>(std::find(batch.kernel.begin(), batch.kernel.end(), kernel) - batch.kernel.begin());
    };
    const size_t most = batch.left.size();
    std::optional<size_t> begun;
    while (!batch.left.empty()) {
        const std::optional<Json> answer = receive(*process, begun ? local.measure_timeout_s : options_.start_timeout_s);
        if (stopped())
            return;
        if (!answer) {
            if (begun)
                batch.finish(*begun, process->lost()
                                         ? failed_evaluation(Outcome::crashed, "the kernel ended its program with " + process->end())
                                         : failed_evaluation(Outcome::timed_out,
                                                             fmt::format("measuring took more than {} s", local.measure_timeout_s)));
            else if (batch.left.size() == most)
                throw runner_error(runner_, process->lost() ? "ended with " + process->end()
                                                            : fmt::format("said nothing for {} s", options_.start_timeout_s));
            return;
        }
        if (answer->contains("begin")) {
            begun = of_kernel(index_in(*answer, "begin", batch.kernel.size(), runner_));
            continue;
        }
        const size_t index = of_kernel(index_in(*answer, "kernel", batch.kernel.size(), runner_));
        if (begun != index)
            throw runner_error(runner_, "answered " + answer->dump());
        Evaluation evaluation = measured_evaluation(*answer);
        remember_best(evaluation);
        batch.finish(index, std::move(evaluation));
        begun.reset();
    }
    await_end(*process);
}

std::vector<Evaluation> RunnerEvaluator::evaluate(const std::vector<Point> &points,
                                                  const std::function<void(size_t, const Evaluation &)> &on_done) {
    const std::vector<CompileResult> compiled = compile(points);
    if (stopped())
        return {};
    Batch batch;
    std::vector<Point> linked;
    batch.kernel.assign(points.size(), points.size());
    batch.results.resize(points.size());
    for (size_t i = 0; i < points.size(); i++) {
        if (!compiled[i].failure.empty()) {
            batch.results[i] = compiled[i].evaluation();
            continue;
        }
        batch.kernel[i] = linked.size();
        batch.left.push_back(i);
        linked.push_back(points[i]);
    }
    size_t told = 0;
    batch.on_result = [&] {
        for (; told < points.size() && batch.results[told]; told++) {
            batch.results[told]->compile_s = compiled[told].seconds();
            on_done(told, *batch.results[told]);
        }
    };
    batch.on_result();
    if (!batch.left.empty())
        batch.program = program(linked);
    while (!batch.left.empty()) {
        run(batch);
        if (stopped())
            return {};
    }
    std::vector<Evaluation> evaluations;
    for (const std::optional<Evaluation> &result : batch.results)
        evaluations.push_back(*result);
    return evaluations;
}

std::vector<std::vector<std::vector<double>>> RunnerEvaluator::remeasure(const std::vector<Point> &points, int rounds) {
    const LocalOptions &local = options_.local;
    std::vector<Point> missing;  // of an earlier run, whose journal knows them
    for (const Point &point : points)
        if (!names_.contains(point))
            missing.push_back(point);
    const auto fail = [](const std::string &how) {
        throw Error({.code = ErrorCode::check_failed,
                     .argument = "a leader of the search",
                     .value = how,
                     .expected = "a time, as when it was a trial",
                     .cure = "tune again with --resume"});
    };
    for (const CompileResult &result : compile(missing))
        if (!result.answer || !result.failure.empty())
            fail(result.failure.empty() ? "stopped" : result.failure);

    std::vector<std::vector<std::vector<double>>> times(points.size(), std::vector<std::vector<double>>(job_.shapes.size()));
    std::vector<size_t> kernels(points.size());
    for (size_t i = 0; i < kernels.size(); i++)
        kernels[i] = i;
    const auto process = runner_.start(
        program(points), fmt::format("time {} {} {}", rounds, far_timeout_s(local.measure_timeout_s), fmt::join(kernels, " ")));
    bool begun = false;
    for (size_t left = points.size() * job_.shapes.size() * static_cast<size_t>(rounds); left > 0;) {
        // Not receive(): a stop ends the search, and its leaders are measured all the same.
        const std::optional<Json> answer = process->receive(begun ? local.measure_timeout_s : options_.start_timeout_s);
        if (!answer && !begun)
            throw runner_error(runner_, process->lost() ? "ended with " + process->end()
                                                        : fmt::format("said nothing for {} s", options_.start_timeout_s));
        if (!answer)
            fail(process->lost() ? process->end() : "no answer");
        begun = true;
        if (answer->contains("begin"))
            continue;
        const size_t point = index_in(*answer, "kernel", points.size(), runner_);
        if (!answer->contains("ms"))
            fail(answer->value("error", "no time"));
        times[point].at(answer->at("shape").get<size_t>()).push_back(answer->at("ms").get<double>());
        left--;
    }
    await_end(*process);
    return times;
}

}  // namespace attune::cli

#pragma once
#include "generator/cli/tune/compile_pool.h"
#include "generator/cli/tune/local_evaluator.h"
#include "generator/cli/tune/runner.h"
#include "generator/cli/tune/trial_job.h"

#include <map>

namespace attune::cli {

struct RunnerOptions {
    LocalOptions local;            ///< of workers that compile here, and of measuring there; its time-outs and its stop
    std::string folder;            ///< for the kernels' libraries
    double start_timeout_s = 120;  ///< until the first line of a program: sending it is part of it
};

/// Points on another machine: compiled here side by side, linked into one program a batch, sent there and run by a Runner. A crash, a hang and a
/// wrong result are outcomes of the point whose line was the last; the rest of the batch is then run again without it. A runner that fails before
/// any point has begun is no outcome: Error(target), and the journal is kept.
class RunnerEvaluator : public autotune::Evaluator {
public:
    /// linker: must outlive it. job: its shapes are LocalOptions::shapes.
    RunnerEvaluator(const TuneJob &job, std::vector<autotune::Parameter> parameters, Runner runner, TrialLinker &linker,
                    RunnerOptions options);

    std::vector<autotune::Evaluation> evaluate(const std::vector<autotune::Point> &points,
                                               const std::function<void(size_t, const autotune::Evaluation &)> &on_done) override;
    /// Throws Error(check_failed) where a point that was ok before fails now.
    std::vector<std::vector<std::vector<double>>> remeasure(const std::vector<autotune::Point> &points, int rounds) override;

private:
    struct Batch;
    bool stopped() const { return options_.local.stop && *options_.local.stop; }
    TrialKernel kernel_of(const autotune::Point &point, const std::string &name) const;
    std::vector<CompileResult> compile(const std::vector<autotune::Point> &points);
    /// The program with the kernels of these points.
    std::string program(const std::vector<autotune::Point> &points);
    /// An answer within so many seconds; nothing: none came, the process is lost, or we are to stop.
    std::optional<Json> receive(WorkerProcess &process, double seconds) const;
    void run(Batch &batch);
    void remember_best(const autotune::Evaluation &evaluation);

    const TuneJob job_;
    const std::vector<autotune::Parameter> parameters_;
    const Runner runner_;
    TrialLinker &linker_;
    const RunnerOptions options_;
    CompilePool compilers_;
    std::map<autotune::Point, std::string> names_;  ///< of kernels whose libraries are in the folder
    int named_ = 0;
    std::vector<autotune::Point> linked_points_;  ///< of linked_program_
    std::string linked_program_;
    std::vector<double> best_ms_;  ///< of each shape so far; 0: none
};

}  // namespace attune::cli

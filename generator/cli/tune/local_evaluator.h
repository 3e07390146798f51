#pragma once
#include "generator/cli/tune/compile_pool.h"

namespace attune::cli {

struct LocalOptions {
    std::vector<std::string> worker;            ///< words that start one
    std::vector<std::string> environment = {};  ///< of the workers, over this process's own
    size_t shapes = 1;
    int compilers = 1;              ///< workers that compile at once
    double sample_seconds = 0.1;    ///< of calls, a shape of a trial
    double compile_timeout_s = 60;  ///< of one point
    double measure_timeout_s = 60;
    const std::atomic<bool> *stop = nullptr;
};

/// Points on this machine, in child processes: a crash, a hang and a wrong result are outcomes. Compiles side by side, then measures one after
/// another while nothing else of this program runs.
class LocalEvaluator : public autotune::Evaluator {
public:
    LocalEvaluator(std::vector<autotune::Parameter> parameters, LocalOptions options);
    ~LocalEvaluator() override;

    std::vector<autotune::Evaluation> evaluate(const std::vector<autotune::Point> &points,
                                               const std::function<void(size_t, const autotune::Evaluation &)> &on_done) override;
    /// Throws Error(check_failed) where a point that was ok before fails now.
    std::vector<std::vector<std::vector<double>>> remeasure(const std::vector<autotune::Point> &points, int rounds) override;

private:
    autotune::Evaluation measure(const autotune::Point &point, const CompileResult &compiled);
    bool stopped() const { return options_.stop && *options_.stop; }

    std::vector<autotune::Parameter> parameters_;
    LocalOptions options_;
    CompilePool compilers_;
    std::unique_ptr<WorkerProcess> measurer_;
    std::vector<double> best_ms_;  ///< of each shape so far; 0: none
};

}  // namespace attune::cli

#pragma once
#include "generator/cli/tune/worker_process.h"
#include "schedules/autotune/trial.h"

#include <atomic>
#include <memory>

namespace attune::cli {

/// What became of one request to compile.
struct CompileResult {
    std::optional<Json> answer;  ///< nothing where the worker crashed, took too long or was stopped
    std::string failure;         ///< one line; empty: it compiled
    bool timed_out = false;

    double seconds() const { return answer ? answer->value("compile_s", 0.0) : 0.0; }
    /// The trial that ends with it. Only where there is a failure.
    autotune::Evaluation evaluation() const;
};

/// Workers that compile side by side, each in a process of its own: a crash and a hang are results.
class CompilePool {
public:
    /// words, environment: of a worker (WorkerProcess). stop: set from elsewhere, ends compile() early; may be null.
    CompilePool(const std::vector<std::string> &words, const std::vector<std::string> &environment, int workers, double timeout_s,
                const std::atomic<bool> *stop);

    /// A result for each request, in their order. After a stop, those that were not reached have neither answer nor failure.
    std::vector<CompileResult> compile(const std::vector<Json> &requests);

private:
    bool stopped() const { return stop_ && *stop_; }

    const double timeout_s_;
    const std::atomic<bool> *stop_;
    std::vector<std::unique_ptr<WorkerProcess>> workers_;
};

}  // namespace attune::cli

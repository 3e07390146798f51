#pragma once
#include "generator/cli/problem.h"
#include "generator/cli/tune/job.h"

#include <map>
#include <memory>
#include <vector>

namespace attune::cli {

/// How kernels of a job are measured, wherever that is: in a worker on this machine, or in an executable on a runner's.
class Measurer {
public:
    /// The job must outlive it.
    explicit Measurer(const TuneJob &job) : job_(job) {}

    struct Result {
        std::vector<std::vector<double>> times_ms;  ///< [shape][repetition]
        double error_share = 0;                     ///< of the derived bound, the largest over the shapes that were compared
    };
    /// Compares with attention in double, on a few awkward shapes; then times calls of each of the job's shapes: about `seconds` of them, or two
    /// where a call is far slower than best_ms[shape] (0 or missing: unknown). Throws Error where a call fails.
    Result measure(const LoadedKernel &kernel, double seconds, const std::vector<double> &best_ms);

    /// A call of the job's shape, after a first run. The kernel must outlive it.
    std::unique_ptr<KernelCall> prepared_call(const LoadedKernel &kernel, size_t shape);

private:
    const Problem &problem(size_t shape);
    CallParams checked_params(const Shape &shape) const;

    const TuneJob &job_;
    std::map<size_t, std::unique_ptr<Problem>> problems_;
};

/// One sample of a prepared call, in ms, after a run that warms the caches: other candidates have used them.
double one_sample_ms(KernelCall &call);

}  // namespace attune::cli

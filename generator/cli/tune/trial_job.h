#pragma once
#include "generator/cli/session.h"
#include "generator/cli/tune/job.h"

#include <string>
#include <vector>

namespace attune::cli {

// What an executable for a runner's machine (trial_main.cpp) holds beside kernels: the job, as JSON.
//   {"spec": "[kernel]\n…", "id", "target", "shapes": ["b=1,…"], "threads", "seed",
//    "params": [[null, {"extents": [2, 512], "bytes": "00ff…"}]], "lists": [null],
//    "kernels": [{"name": "trial_3", "parameters": {"block_q": 96, …}, "rounds_weights": false}]}
// Arguments and block lists that the job made from its seed are null: they are made again over there.

/// A kernel of the executable.
struct TrialKernel {
    std::string name;               ///< attune_kernel_find's
    ScheduleParameters parameters;  ///< all of the plan
    bool rounds_weights = false;    ///< as KernelPlan has it
};

struct TrialJob {
    TuneJob job;
    std::vector<TrialKernel> kernels;
};

/// Throws Error(usage) where given arguments are too large to be sent.
Json trial_job_json(const TuneJob &job, const std::vector<TrialKernel> &kernels);
/// Throws Error where the specification is not read as the one that was compiled, Json::exception where fields are missing.
TrialJob trial_job_of(const Json &json);

}  // namespace attune::cli

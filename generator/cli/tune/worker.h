#pragma once
#include "generator/cli/tune/job.h"

namespace attune::cli {

/// The child's side of tune: answers requests (messages.h) on standard input until it ends. Returns the exit code.
int run_tune_worker(const TuneJob &job);

}  // namespace attune::cli

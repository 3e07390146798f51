#pragma once
#include "generator/cli/session.h"
#include "generator/cli/tune/job.h"
#include "schedules/autotune/tuner.h"
#include "schedules/tuned_db/record.h"

namespace attune::cli {

/// All that was found, for --json and for the report: job, machine, space, trials, leaders, the choice.
Json tune_json(const TuneJob &job, const autotune::Space &space, const autotune::TuneResult &result, const MachineLimits &machine);
/// The leaders as a table, and the choice in words.
std::string tune_text(const TuneJob &job, const autotune::Space &space, const autotune::TuneResult &result);

/// Of what the machine could do at best, floating-point unit or memory: the least time by the roofline / ms. In [0, 1].
double share_of_limit(const TuneJob &job, size_t shape, double ms, const MachineLimits &machine);

/// The row that keeps the choice. command: what found it.
TunedRecord tuned_record(const TuneJob &job, const autotune::Space &space, const autotune::TuneResult &result, const MachineLimits &machine,
                         const std::string &command);

/// "2026-11-26T21:48:25Z"
std::string utc_now();

}  // namespace attune::cli

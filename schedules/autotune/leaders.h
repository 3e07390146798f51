#pragma once
#include "schedules/autotune/tuner.h"

namespace attune::autotune {

/// The last step of tune(): measures the best trials again, in turn with the default, and fills leaders, chosen… and speed_up… of the result.
/// result.trials[0] is the default's.
void choose(TuneResult &result, Evaluator &evaluator, const TuneOptions &options, const std::function<void(Progress)> &report);

}  // namespace attune::autotune

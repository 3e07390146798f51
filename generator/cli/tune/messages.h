#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/session.h"
#include "generator/cli/tune/measure.h"
#include "schedules/autotune/trial.h"

namespace attune::cli {

// What the tuner and its workers tell each other: a JSON object a line, an answer for each request, in order.
//   {"compile": {parameters}}                                     -> {"compile_s": 1.2}
//   {"build": {parameters}, "name": "trial_3", "folder": "/tmp/…"}  -> {"compile_s": 1.2}; the library is folder/trial_3.a
//   {"measure": {parameters}, "seconds": 0.1, "best_ms": [4.2]}   -> {"times_ms": [[4.3, 4.2]], "error_share": 0.2}
//   {"time": {parameters}, "shape": 0}                            -> {"ms": 4.2}
// A request that fails is answered by {"error": "one line"}. Times are a list for each shape; best_ms, where given, lets a call that is far
// slower be measured less often. An executable on a runner's machine (trial_main.cpp) is asked by its arguments, and answers in the same words.

Json parameters_object(const ScheduleParameters &parameters);
ScheduleParameters parameters_of(const Json &object);

/// The answer to "measure", and what becomes of a trial by it. Throws Json::exception where it is no such answer.
Json measured_json(const Measurer::Result &result);
autotune::Evaluation measured_evaluation(const Json &answer);
autotune::Evaluation failed_evaluation(autotune::Outcome outcome, std::string message);

}  // namespace attune::cli

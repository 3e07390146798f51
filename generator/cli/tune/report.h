#pragma once
#include "generator/cli/session.h"

#include <string>

namespace attune::cli {

/// Draws the page of a tuning (schedules/autotune/report) from what tune_json gave: $ATTUNE_PYTHON, else python3, with matplotlib. What it says is on
/// standard error. Throws Error(input) where it cannot be run, has no matplotlib, or cannot write `path`.
void write_report(const std::string &path, const Json &result);

}  // namespace attune::cli

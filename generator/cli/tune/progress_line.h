#pragma once
#include "schedules/autotune/tuner.h"

namespace attune::cli {

/// How far a tuning is, on standard error: a bar that redraws itself on a terminal, else a line every ten seconds.
class ProgressLine {
public:
    /// shown: false prints nothing.
    ProgressLine(const autotune::Space &space, bool shown);
    ~ProgressLine();  ///< leaves the terminal's line
    void show(const autotune::Progress &progress);

private:
    const autotune::Space &space_;
    const bool shown_, terminal_;
    double last_s_ = 0;
    bool drawn_ = false;
};

}  // namespace attune::cli

#pragma once
#include "schedules/autotune/trial.h"

namespace attune::autotune {

struct T4Options {
    std::vector<std::string> shapes = {};  ///< names, for the measurements of several shapes
    double started_unix_s = 0;             ///< when the tuning began: timestamps are this and each trial's elapsed_s; 0: no timestamps
};

/// Trials in the JSON of Kernel Tuner's results, schema T4 1.0.0 (results-schema.json of KernelTuner/kernel_tuner), for its tools. Times are in
/// milliseconds.
std::string t4_text(const Space &space, const std::vector<Trial> &trials, const T4Options &options = {});
/// Throws Error(input) where the file cannot be written.
void write_t4(const std::string &path, const Space &space, const std::vector<Trial> &trials, const T4Options &options = {});

}  // namespace attune::autotune

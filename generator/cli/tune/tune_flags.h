#pragma once
#include "generator/cli/flags.h"
#include "generator/cli/tune/job.h"
#include "schedules/autotune/tuner.h"

#include <map>
#include <string>
#include <vector>

namespace attune::cli {

void declare_tune_flags(Flags &flags);

/// The kernel, its target and shapes. Throws Error where one of them is wrong.
TuneJob tune_job(const Flags &flags);
/// One line of all that times depend on but the space: what a journal is of.
std::string job_key(const TuneJob &job);

/// How to search, for how long, and where the journal is.
struct SearchFlags {
    autotune::SearchOptions search;
    autotune::TuneOptions tune;
    std::string journal;
};
SearchFlags search_flags(const Flags &flags, const TuneJob &job);
/// --values, by parameter. Throws Error(usage) for a word that is no list of numbers.
std::map<std::string, std::vector<int>> given_values(const Flags &flags);

/// The words that start a worker with the same job.
std::vector<std::string> worker_words(const Flags &flags, const TuneJob &job);
/// The command line again, for a record: what else would find it.
std::string command_text(const Flags &flags);

}  // namespace attune::cli

#pragma once
#include "generator/cli/flags.h"
#include "generator/cli/session.h"

#include <atomic>
#include <functional>
#include <string>
#include <vector>

namespace attune::cli {

/// A line of --jobs: the words of one 'attune tune'.
struct ListedJob {
    int line = 0;
    std::string text;
    std::vector<std::string> words;
};
/// The jobs of a file: a line each, with the quotes of a shell, with 'attune tune' before them or without; empty lines and those that begin with # are
/// none.
/// Throws Error(input) where the file cannot be read, Error(usage) for a quote that is not closed.
std::vector<ListedJob> read_job_list(const std::string &path);

struct JobListOptions {
    /// Declares the flags of a line, but for those that every command has.
    std::function<void(Flags &)> declare;
    /// Throws what the job itself would before it compiles anything.
    std::function<void(const Flags &)> check;
    const std::atomic<bool> *stop = nullptr;  ///< set from elsewhere: no further job is begun
};
/// The part --shard of --jobs: all lines are checked, then those of the part run one after another, each a child process with the flags that stand
/// beside --jobs and not in its line. A job that fails is told, and the others run. Returns 0, or 1 where one failed or was not begun.
/// With --json {"jobs": [{"line", "words", "code", "result"}], "failed": 0}; else each job prints for itself.
/// Throws Error(usage) for --shard without --jobs, flags that only a line may have, and lines with mistakes, with file and line.
int run_job_list(const Flags &flags, Session &session, const JobListOptions &options);

}  // namespace attune::cli

#pragma once
#include "generator/cli/flags.h"
#include "generator/cli/session.h"

#include <vector>

namespace attune::cli {

/// One command of `attune`, a file each: its flags and what it does with them. run() returns the exit code of a run that worked
/// (0, or 1 where a check failed) and throws Error otherwise.
struct Command {
    const char *name;
    const char *summary;  ///< one line, for `attune --help`
    const char *example;  ///< shell lines, for its own --help
    void (*declare)(Flags &flags);
    int (*run)(const Flags &flags, Session &session);
};

extern const Command explain_command, build_command, run_command, bench_command, check_command, import_command, list_command,
    doctor_command, tune_command, db_command, picture_command;

}  // namespace attune::cli

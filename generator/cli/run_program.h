#pragma once
#include <string>
#include <vector>

namespace attune::cli {

/// What became of a program: it ran to its end where start_error is 0.
struct ProgramResult {
    int start_error = 0;           ///< errno
    int exit_code = 0;             ///< 128 + signal where one ended it
    std::string output, messages;  ///< standard output, standard error

    bool succeeded() const { return start_error == 0 && exit_code == 0; }
};

/// Runs words[0], looked up on PATH, and waits for it. Throws Error(input) where no temporary file can be made.
ProgramResult run_program(std::vector<std::string> words);

}  // namespace attune::cli

#pragma once
#include "generator/cli/tune/job.h"
#include "generator/cli/tune/trial_executable.h"
#include "generator/cli/tune/worker_process.h"

#include <memory>
#include <optional>
#include <string>

namespace attune::cli {

/// A command that runs programs somewhere: "ssh board", "adb shell", "srun -n1 sh -c", "qemu-x86_64 {}".
///   With {}, that stands for a program's path and arguments: of a machine that sees this file system, or an emulator.
///   Without it, the command is given one more argument, a line for a POSIX shell over there, which takes the program from standard input into a
///   temporary file, runs it and removes it.
/// Either way lines come back on standard output, and standard error is the terminal's.
class Runner {
public:
    /// command: for /bin/sh, so that it may have quotes, variables and redirections.
    explicit Runner(std::string command) : command_(std::move(command)) {}

    const std::string &command() const { return command_; }
    /// arguments: words of letters, digits and ".,-", with spaces between them.
    std::unique_ptr<WorkerProcess> start(const std::string &program, const std::string &arguments) const;

private:
    const std::string command_;
};

/// The machine that a runner leads to.
struct RunnerMachine {
    std::string cpu, device;  ///< brand string; class of tuned rows
    MachineLimits limits;
};
/// Asks it, by a program without kernels; takes some seconds. Throws Error(target) where the runner fails or the machine does not run the job's
/// target.
RunnerMachine probe_runner(const Runner &runner, TrialLinker &linker, const TuneJob &job);

/// What a runner did that is no answer: Error(target). how: "ended with exit code 7".
Error runner_error(const Runner &runner, const std::string &how);

}  // namespace attune::cli

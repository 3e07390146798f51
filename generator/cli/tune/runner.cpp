#include "generator/cli/tune/runner.h"

#include "generator/cli/machine.h"
#include "generator/cli/tune/trial_job.h"

#include <fmt/format.h>

namespace attune::cli {

namespace {

constexpr double probe_timeout_s = 180;  // sending some megabytes over a slow line included

/// For the shell over there. The program removes its own file as it starts; rm is for one that does not start.
std::string line_of_far_shell(const std::string &arguments) {
    return fmt::format("f=$(mktemp) && cat >\"$f\" && chmod 700 \"$f\" && \"$f\" --remove {}; s=$?; rm -f \"$f\"; exit $s", arguments);
}

}  // namespace

std::unique_ptr<WorkerProcess> Runner::start(const std::string &program, const std::string &arguments) const {
    std::string script = command_;
    if (script.find("{}") == std::string::npos) {
        script = fmt::format("exec <{}\n{} {}", shell_quote(program), script, shell_quote(line_of_far_shell(arguments)));
    } else {
        const std::string call = shell_quote(program) + " " + arguments;
        for (size_t at = 0; (at = script.find("{}", at)) != std::string::npos; at += call.size())
            script.replace(at, 2, call);
        script = "exec </dev/null\n" + script;
    }
    return std::make_unique<WorkerProcess>(std::vector<std::string>{"/bin/sh", "-c", script}, std::vector<std::string>{});
}

Error runner_error(const Runner &runner, const std::string &how) {
    return Error({.code = ErrorCode::target,
                  .argument = "--runner",
                  .value = runner.command(),
                  .expected = "a command that runs a program and passes on what it prints, and nothing else",
                  .cure = "try it by hand: COMMAND 'echo hello', or with {}: COMMAND with {} as /bin/true",
                  .problem = fmt::format("--runner \"{}\" {}", runner.command(), how)});
}

RunnerMachine probe_runner(const Runner &runner, TrialLinker &linker, const TuneJob &job) {
    const auto process = runner.start(linker.link(*job.target, trial_job_json(job, {}), {}), "probe");
    const std::optional<Json> answer = process->receive(probe_timeout_s);
    if (!answer)
        throw runner_error(runner,
                           process->lost() ? "ended with " + process->end() : fmt::format("said nothing for {} s", probe_timeout_s));
    if (answer->contains("error"))
        throw runner_error(runner, "says: " + answer->at("error").get<std::string>());
    if (!answer->contains("limits") || !answer->contains("device"))
        throw runner_error(runner, "answered " + answer->dump());
    RunnerMachine machine{answer->value("cpu", "unknown"), answer->at("device").get<std::string>(), {}};
    if (answer->at("limits").is_null())
        throw Error({.code = ErrorCode::target,
                     .argument = "--target",
                     .value = job.target->name,
                     .expected = fmt::format("one that the runner's machine has: this one needs {}", job.target->needs),
                     .cure = "give another --target",
                     .problem = fmt::format("--target {} does not run on the runner's machine, {}", job.target->name, machine.cpu)});
    machine.limits = limits_of(answer->at("limits"));
    process->receive(1);  // it ends, and its shell removes the file
    return machine;
}

}  // namespace attune::cli

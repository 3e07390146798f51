#include "generator/cli/command.h"

#include "attune/attention.h"
#include "generator/backend/kernel.h"
#include "generator/spec/nearest.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <new>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace attune::cli {
namespace {

const Command *const commands[] = {&explain_command, &build_command, &run_command,    &bench_command, &check_command, &picture_command,
                                   &import_command,  &list_command,  &doctor_command, &tune_command,  &db_command};
const char *const command_names = "one of explain, build, run, bench, check, picture, import, list, doctor, tune, db";

std::string general_help() {
    std::string text = "attune: attention kernels, compiled ahead of time\n\nUsage: attune COMMAND [FLAGS]\n\nCommands:\n";
    for (const Command *command : commands)
        text += fmt::format("  {:<9}{}\n", command->name, command->summary);
    text += "\nEvery command takes --help, --json, --verbose and --quiet. Results go to standard output, logs to standard error.\n"
            "Exit codes: 0 success, 1 a check failed, 2 usage or specification, 3 input file, shape or dtype, 4 target not available, 5 "
            "internal\n"
            "\nExample:\n  attune explain --mask causal --head-dim 128\n";
    return text;
}

void print_version(Session &session) {
    if (session.json)
        session.print_json({{"attune", ATTUNE_VERSION}, {"halide", halide_version()}, {"llvm", llvm_version()}, {"build", build_id()}});
    else
        session.print(
            fmt::format("attune {} (Halide {}, LLVM {}, build {})\n", ATTUNE_VERSION, halide_version(), llvm_version(), build_id()));
}

const Command &find_command(const std::string &word) {
    std::vector<std::string> names;
    for (const Command *command : commands) {
        if (word == command->name)
            return *command;
        names.push_back(command->name);
    }
    const std::string guess = nearest(word, names);
    throw Error({.argument = "command",
                 .value = word,
                 .expected = command_names,
                 .cure = guess.empty() ? "see 'attune --help'" : "did you mean " + guess,
                 .problem = "unknown command \"" + word + "\""});
}

int run_words(const std::vector<std::string> &words, Session &session) {
    size_t first = 0;
    while (first < words.size() && words[first].starts_with("-"))
        first++;
    const bool has_command = first < words.size();
    std::vector<std::string> rest(words.begin(), words.begin() + first);
    if (!has_command) {
        Flags flags("", "");
        for (const char *name : {"--help", "--version", "--json", "--verbose", "--quiet"})
            flags.toggle(name, "");
        flags.parse(rest);
        if (flags.has("--version"))
            print_version(session);
        else if (flags.has("--help"))
            session.print(general_help());
        else
            throw Error({.argument = "command", .expected = command_names, .cure = "see 'attune --help'"});
        session.flush();
        return 0;
    }
    const Command &command = find_command(words[first]);
    rest.insert(rest.end(), words.begin() + first + 1, words.end());

    Flags flags(command.name, command.summary);
    command.declare(flags);
    flags.toggle("--json", "result as JSON; an error too");
    flags.toggle("-v,--verbose", "tell more on standard error");
    flags.toggle("-q,--quiet", "tell errors only");
    flags.toggle("--version", "print the version and exit");
    flags.toggle("-h,--help", "print this and exit");
    flags.footer(std::string("Example:\n") + command.example);
    flags.parse(rest);
    int code = 0;
    if (flags.has("--help"))
        session.print(flags.help());
    else if (flags.has("--version"))
        print_version(session);
    else {
        start_log(flags.has("--verbose"), flags.has("--quiet"));
        code = command.run(flags, session);
    }
    session.flush();
    return code;
}

/// A descriptor 0, 1 or 2 that the caller closed would be given to the next file opened, and the result would be printed into it.
void occupy_standard_descriptors() {
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        if (fcntl(descriptor, F_GETFD) == -1) {
            const int opened = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);  // the wrong way round: using it fails
            if (opened >= 0 && opened != descriptor) {
                dup2(opened, descriptor);
                close(opened);
            }
        }
}

int run_program(int argc, char **argv) {
    occupy_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN);  // a closed pipe becomes an error of the write, told like any other
    Session session;
    for (int i = 1; i < argc; i++)
        if (std::string_view(argv[i]) == "--json")
            session.json = true;  // known before parsing: parse errors are JSON too
    const auto internal = [&](const char *argument, const std::string &value, const char *expected, const char *cure) {
        return report_error(Error({.code = ErrorCode::internal, .argument = argument, .value = value, .expected = expected, .cure = cure}),
                            session.json);
    };
    try {
        return run_words({argv + 1, argv + argc}, session);
    } catch (const Error &error) {
        return report_error(error, session.json);
    } catch (const std::bad_alloc &) {
        return internal("memory", "used up", "enough for arrays and kernel", "use smaller shapes");
    } catch (const std::exception &error) {
        return internal("the generator's state", error.what(), "no such failure", "report it with the command line");
    } catch (...) {
        return internal("the generator's state", "an unknown exception", "no such failure", "report it with the command line");
    }
}

}  // namespace
}  // namespace attune::cli

int main(int argc, char **argv) {
    try {
        return attune::cli::run_program(argc, argv);
    } catch (...) {  // while reporting
        std::fputs("attune: memory is used up\n", stderr);
        return 5;
    }
}

#include "generator/cli/tune/trial_executable.h"

#include "generator/backend/files.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace attune::cli {

namespace {

namespace fs = std::filesystem;

/// Beside the program where it is installed, else where it was built.
std::string archive_of_main() {
    std::error_code failure;
    const fs::path program = fs::read_symlink("/proc/self/exe", failure),
                   installed = program.parent_path().parent_path() / "lib/attune/libattune_trial_main.a";
    return !failure && fs::exists(installed, failure) ? installed.string() : ATTUNE_TRIAL_MAIN;
}

/// The line of a linker's output that says most: the first with "error" or "cannot", else the first.
std::string complaint(const std::string &log) {
    std::ifstream file(log);
    std::string first;
    for (std::string line; std::getline(file, line);) {
        if (first.empty())
            first = line;
        for (const char *word : {"error", "cannot", "undefined"})
            if (line.find(word) != std::string::npos)
                return line;
    }
    return first.empty() ? "no output" : first;
}

void write(const std::string &path, const std::string &text) {
    write_file(path, {text.begin(), text.end()});
}

}  // namespace

TrialLinker::TrialLinker(std::string folder, std::string flags) : folder_(std::move(folder)), flags_(std::move(flags)) {}

std::string TrialLinker::link(const Json &job, const std::vector<std::string> &archives) {
    const std::string base = fmt::format("{}/trials_{}", folder_, linked_++), log = base + ".log";
    write(base + ".json", job.dump());
    // Data, whatever its size and whatever the machine.
    write(base + ".s", fmt::format(".section .rodata\n.globl attune_trial_job\nattune_trial_job:\n.incbin \"{}.json\"\n.byte 0\n"
                                   ".section .note.GNU-stack,\"\",%progbits\n",
                                   base));
    const char *driver = std::getenv("CXX");
    std::string command =
        fmt::format("{} -o {} {} -Wl,--whole-archive", driver && *driver ? driver : "c++", shell_quote(base), shell_quote(base + ".s"));
    for (const std::string &archive : archives)
        command += " " + shell_quote(archive);
    command +=
        fmt::format(" -Wl,--no-whole-archive {} {} {} -pthread -ldl -lm", shell_quote(archive_of_main()), ATTUNE_TRIAL_LINK_FLAGS, flags_);
    if (std::system(fmt::format("{} >{} 2>&1", command, shell_quote(log)).c_str()) != 0)
        throw Error({.code = ErrorCode::target,
                     .argument = "linking for --runner",
                     .value = complaint(log),
                     .expected = "a static program from the C++ driver",
                     .cure = "name a driver in CXX and its flags in --runner-link-flags",
                     .problem = "linking for --runner failed: " + complaint(log)});
    for (const char *left : {".json", ".s", ".log"}) {
        std::error_code ignored;
        fs::remove(base + left, ignored);
    }
    return base;
}

}  // namespace attune::cli

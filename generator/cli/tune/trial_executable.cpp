#include "generator/cli/tune/trial_executable.h"

#include "generator/backend/files.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace attune::cli {

namespace {

namespace fs = std::filesystem;

/// What it takes to link for a target's machines.
struct Toolchain {
    std::string archive;  ///< of trial_main.cpp
    std::string driver, flags;
};

/// Archives lie beside the program where it is installed, else where they were built.
Toolchain toolchain(const CpuTarget &target) {
    const std::string installed_in = target.is_x86() ? "lib/attune" : "lib/attune/aarch64", name = "libattune_trial_main.a";
    std::error_code failure;
    const fs::path program = fs::read_symlink("/proc/self/exe", failure),
                   installed = program.parent_path().parent_path() / installed_in / name;
    Toolchain chain = target.is_x86() ? Toolchain{ATTUNE_TRIAL_MAIN, "c++", ATTUNE_TRIAL_LINK_FLAGS}
                                      : Toolchain{ATTUNE_AARCH64_BUILD "/" + name, "aarch64-linux-gnu-g++", "-static -s"};
    if (!failure && fs::exists(installed, failure))
        chain.archive = installed.string();
    if (const char *driver = std::getenv("CXX"); driver && *driver)
        chain.driver = driver;
    if (!fs::exists(chain.archive, failure))
        throw Error({.code = ErrorCode::target,
                     .argument = "--target",
                     .value = target.name,
                     .expected = "with --runner, a target that this attune was built to link programs for",
                     .cure = "install a cross compiler (Debian: g++-aarch64-linux-gnu) and build attune again",
                     .problem = fmt::format("--target {}: {} is missing", target.name, chain.archive)});
    return chain;
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

std::string TrialLinker::link(const CpuTarget &target, const Json &job, const std::vector<std::string> &archives) {
    const Toolchain chain = toolchain(target);
    const std::string base = fmt::format("{}/trials_{}", folder_, linked_++), log = base + ".log";
    write(base + ".json", job.dump());
    // Data, whatever its size and whatever the machine.
    write(base + ".s", fmt::format(".section .rodata\n.globl attune_trial_job\nattune_trial_job:\n.incbin \"{}.json\"\n.byte 0\n"
                                   ".section .note.GNU-stack,\"\",%progbits\n",
                                   base));
    std::string command = fmt::format("{} -o {} {} -Wl,--whole-archive", chain.driver, shell_quote(base), shell_quote(base + ".s"));
    for (const std::string &archive : archives)
        command += " " + shell_quote(archive);
    command +=
        fmt::format(" -Wl,--no-whole-archive {} {} {} -pthread -ldl -lm", shell_quote(chain.archive), chain.flags, flags_);
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

#include "generator/cli/tune/report.h"

#include "generator/backend/files.h"
#include "generator/cli/run_program.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace attune::cli {

namespace {

/// share/attune/report beside the folder of this program, or, where it is not installed, the source tree's.
std::string report_folder() {
    namespace fs = std::filesystem;
    std::error_code failure;
    const fs::path installed = fs::read_symlink("/proc/self/exe", failure).parent_path().parent_path() / "share/attune/report";
    return !failure && fs::is_directory(installed, failure) ? installed.string() : ATTUNE_REPORT_DIR;
}

}  // namespace

void write_report(const std::string &path, const Json &result) {
    const TemporaryFolder folder;
    const std::string input = folder.path + "/result.json", text = result.dump(-1, ' ', false, Json::error_handler_t::replace);
    write_file(input, {text.begin(), text.end()});
    const char *python = std::getenv("ATTUNE_PYTHON");
    const std::vector<std::string> words = {python && *python ? python : "python3", report_folder(), input, "-o", path};
    const ProgramResult run = run_program(words);
    std::fputs(run.messages.c_str(), stderr);
    if (!run.succeeded())
        throw Error({.code = ErrorCode::input,
                     .argument = "--report",
                     .value = run.start_error != 0 ? fmt::format("{}: {}", words[0], std::strerror(run.start_error))
                                                   : fmt::format("{} failed", words[0]),
                     .expected = "a Python with matplotlib that writes " + path,
                     .cure = "read its message; pip install matplotlib; name a Python that has it in $ATTUNE_PYTHON"});
}

}  // namespace attune::cli

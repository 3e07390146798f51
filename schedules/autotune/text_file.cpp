#include "schedules/autotune/text_file.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace attune::autotune {
namespace {

[[noreturn]] void fail(const std::string &path, const char *what, const char *verb, int error) {
    throw Error({.code = ErrorCode::input,
                 .argument = what,
                 .value = path,
                 .expected = fmt::format("a file that can be {}", verb),
                 .cure = "check the path and its permissions",
                 .file = path,
                 .problem = errno_text(error)});
}

}  // namespace

std::string read_text(const std::string &path, const char *what) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored))
        fail(path, what, "read", EISDIR);
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    if (!in)
        fail(path, what, "read", errno ? errno : EIO);
    std::ostringstream text;
    if (in.peek() != std::ifstream::traits_type::eof())
        text << in.rdbuf();
    return text.str();
}

void write_text(const std::string &path, const std::string &text, const char *what) {
    const std::string temporary = fmt::format("{}.{}.tmp", path, getpid());
    errno = 0;
    std::ofstream out(temporary, std::ios::binary);
    out << text << std::flush;
    const bool written = out.good();
    out.close();
    if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno ? errno : EIO;
        std::remove(temporary.c_str());
        fail(path, what, "written", error);
    }
}

}  // namespace attune::autotune

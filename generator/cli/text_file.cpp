#include "generator/cli/text_file.h"

#include "generator/spec/error.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <unistd.h>

namespace attune::cli {
namespace fs = std::filesystem;

void write_text_file(const std::string &path, const std::string &text) {
    const std::string partial = path + ".part" + std::to_string(getpid());
    const auto fail = [&] {
        const int reason = errno;
        std::remove(partial.c_str());
        throw Error({.code = ErrorCode::input,
                     .argument = path,
                     .value = std::strerror(reason),
                     .expected = "a file that can be written",
                     .cure = "choose another place",
                     .problem = "cannot write " + path + ": " + std::strerror(reason)});
    };
    FILE *file = std::fopen(partial.c_str(), "wb");
    if (!file)
        fail();
    const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (std::fclose(file) != 0 || !written)
        fail();
    if (std::rename(partial.c_str(), path.c_str()) != 0)
        fail();
}

void check_output_path(const std::string &flag, const std::string &path) {
    std::error_code ignored;
    const auto refuse = [&](const std::string &found, const std::string &expected) {
        throw Error({.code = ErrorCode::input,
                     .argument = flag,
                     .value = path + " (" + found + ")",
                     .expected = expected,
                     .cure = "create the folder or choose another place"});
    };
    if (fs::is_directory(path, ignored))
        refuse("a folder", "the name of a file to write");
    if (fs::exists(path, ignored) && access(path.c_str(), W_OK) != 0)
        refuse("not writable", "a file that can be written");
    if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
        return;  // a device or pipe is written in place
    const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
    if (!fs::is_directory(folder, ignored))
        refuse("its folder does not exist", "a file in a folder that exists");
    if (access(folder.c_str(), W_OK) != 0)
        refuse("its folder cannot be written", "a file in a folder that can be written");
}

}  // namespace attune::cli

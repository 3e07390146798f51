#include "generator/cli/session.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace attune::cli {
namespace {

bool colours(int descriptor) {
    const char *no_color = std::getenv("NO_COLOR");  // no-color.org: any non-empty value
    return isatty(descriptor) && !(no_color && *no_color);
}

[[noreturn]] void stdout_failed(int reason) {
    throw Error({.code = ErrorCode::internal,
                 .argument = "standard output",
                 .value = std::strerror(reason),
                 .expected = "a place that takes the result",
                 .cure = "check where it is redirected to",
                 .problem = std::string("cannot write to standard output: ") + std::strerror(reason)});
}

/// Display columns of UTF-8 text, good enough for what the tables hold.
size_t columns(const std::string &text) {
    return std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

void Session::print(const std::string &text) {
    errno = 0;
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        stdout_failed(errno);
}
void Session::print_json(const Json &value) {
    // File names need not be UTF-8; JSON has to be.
    print(value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}
void Session::flush() {
    errno = 0;
    if (std::fflush(stdout) != 0)
        stdout_failed(errno);
}
std::string Session::red(const std::string &text) const {
    return colours(STDOUT_FILENO) ? "\033[31m" + text + "\033[0m" : text;
}
std::string Session::bold(const std::string &text) const {
    return colours(STDOUT_FILENO) ? "\033[1m" + text + "\033[0m" : text;
}

void start_log(bool verbose, bool quiet) {
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(colours(STDERR_FILENO) ? spdlog::color_mode::automatic
                                                                                             : spdlog::color_mode::never);
    auto logger = std::make_shared<spdlog::logger>("attune", sink);
    logger->set_pattern("attune: %^%v%$");
    logger->set_level(verbose ? spdlog::level::debug : quiet || !isatty(STDERR_FILENO) ? spdlog::level::warn : spdlog::level::info);
    if (quiet)
        logger->set_level(spdlog::level::err);
    spdlog::set_default_logger(logger);
}

Json error_json(const ErrorDetails &details) {
    return {{"error",
             {{"code", static_cast<int>(details.code)},
              {"name", error_code_name(details.code)},
              {"argument", details.argument},
              {"value", details.value},
              {"expected", details.expected},
              {"cure", details.cure},
              {"file", details.file},
              {"line", details.line},
              {"column", details.column},
              {"caret", details.caret}}}};
}

int report_error(const Error &error, bool json) {
    std::string line = error.what();
    for (char &c : line)
        if (c == '\n' || c == '\r')
            c = ' ';  // a file name may hold them; the message stays one line
    line = colours(STDERR_FILENO) ? "\033[31mattune: " + line + "\033[0m\n" : "attune: " + line + "\n";
    if (!error.details().caret.empty()) {  // two lines: the source, and ^ under the place
        std::string below = "  " + error.details().caret + "\n";
        below.replace(below.find('\n'), 1, "\n  ");
        line += below;
    }
    std::fflush(stdout);
    std::fwrite(line.data(), 1, line.size(), stderr);
    if (json) {
        const std::string text = error_json(error.details()).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    }
    return static_cast<int>(error.details().code);
}

std::string align_table(const std::vector<std::vector<std::string>> &rows, const std::vector<bool> &numeric) {
    std::vector<size_t> widths;
    for (const auto &row : rows)
        for (size_t i = 0; i < row.size(); i++) {
            if (widths.size() <= i)
                widths.push_back(0);
            widths[i] = std::max(widths[i], columns(row[i]));
        }
    std::string out;
    for (const auto &row : rows) {
        std::string line;
        for (size_t i = 0; i < row.size(); i++) {
            const std::string padding(widths[i] - columns(row[i]), ' ');
            line += (i ? "  " : "") + (i < numeric.size() && numeric[i] ? padding + row[i] : row[i] + padding);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

std::string human_bytes(double bytes) {
    const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int unit = 0;
    while (bytes >= 1024 && unit < 4)
        bytes /= 1024, unit++;
    return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.{}f} {}", bytes, bytes < 10 ? 2 : bytes < 100 ? 1 : 0, units[unit]);
}

std::string shell_quote(const std::string &word) {
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(),
                                                    [](unsigned char c) { return std::isalnum(c) || std::strchr("_-+=,./:@%^", c); });
    if (plain)
        return word;
    std::string out = "'";
    for (char c : word)
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

}  // namespace attune::cli

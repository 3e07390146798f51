#pragma once
#include "generator/spec/error.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace attune::cli {

using Json = nlohmann::ordered_json;  ///< fields in the order they are written down

/// Where a command's result goes: text or JSON on stdout. Logs and progress go to stderr through spdlog, errors through report_error.
class Session {
public:
    bool json = false;

    /// Text on stdout as it is. Throws Error(internal) where it cannot be written, so that a full disk is not success.
    void print(const std::string &text);
    void print_json(const Json &value);
    void flush();
    /// "\033[…m" around text when stdout is a terminal and NO_COLOR is not set.
    std::string red(const std::string &text) const;
    std::string bold(const std::string &text) const;
};

/// Levels and format of the log. Progress (info) is told where a person watches, that is on a terminal, and with --verbose.
void start_log(bool verbose, bool quiet);

/// {"error": {code, name, argument, value, expected, cure, file, line, column, caret}}
Json error_json(const ErrorDetails &details);
/// One line on stderr (with the place below it for an error inside an expression), and with json the object on stdout. Returns the exit code.
int report_error(const Error &error, bool json);

/// A table with columns as wide as their widest cell; `numeric` columns are right-aligned. The first row is the head.
std::string align_table(const std::vector<std::vector<std::string>> &rows, const std::vector<bool> &numeric);
/// "1.2 MiB", "812 B"
std::string human_bytes(double bytes);
/// A word as POSIX shells read it back, quoted where needed.
std::string shell_quote(const std::string &word);

}  // namespace attune::cli

#pragma once
#include <stdexcept>
#include <string>

namespace attune {

/// What went wrong, as the command line's exit code.
enum class ErrorCode {
    check_failed = 1,  ///< a result is outside its bound
    usage = 2,         ///< command line or specification
    input = 3,         ///< input file, shape, dtype or parameter
    target = 4,        ///< target or device not available
    internal = 5,
};

/// The name of a code in JSON: "check_failed", "usage", "input", "target", "internal".
const char *error_code_name(ErrorCode code);

/// What a user has to know to mend a mistake. Every field but code and expected may be empty.
struct ErrorDetails {
    ErrorCode code = ErrorCode::usage;
    std::string argument = {};  ///< the key, flag or array at fault: "head_dim"
    std::string value = {};     ///< what was found: "513"
    std::string expected = {};  ///< "an integer from 1 to 512"
    std::string cure = {};      ///< "split the head, or …"
    std::string file = {};      ///< specification or array that the error is in
    int line = 0, column = 0;   ///< 1-based; 0: unknown
    std::string problem = {};   ///< takes the place of "head_dim is 513" in what(), where that is no sentence: "unknown key head_dmi"
    std::string caret = {};     ///< of an error inside a text, not in what(): its line, a newline, and ^ under the place; printable ASCII
};

/// The one error of the generator. what() is one line, lower case, no full stop:
/// "spec.toml:3:12: head_dim is 513, expected an integer from 1 to 512; give the number of elements of one head, such as 64"
/// Without a file, an error inside a text begins with its argument and column: "--mask:8: …".
/// The details are made fit to print, in a terminal and in JSON: control characters and bytes that are not UTF-8 become escapes,
/// long texts are cut.
class Error : public std::runtime_error {
public:
    explicit Error(ErrorDetails details);
    const ErrorDetails &details() const { return details_; }

private:
    ErrorDetails details_;
};

/// What errno says, in our style: "no such file or directory".
std::string errno_text(int error);

/// A defect of the generator or of what it stands on, not of the user: `step` is what it was doing, `what` the words of who failed.
Error internal_error(const std::string &step, const std::string &what);

}  // namespace attune

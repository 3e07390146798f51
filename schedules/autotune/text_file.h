#pragma once
#include <string>

namespace attune::autotune {

/// Both throw Error(input) with the file's name; `what` is the word for the file: "sweep".
std::string read_text(const std::string &path, const char *what);
/// By a temporary file beside it: the old content or the new, never a part.
void write_text(const std::string &path, const std::string &text, const char *what);

}  // namespace attune::autotune

#pragma once
#include <string>

namespace attune {

/// The content of one file of a tuned database. Throws Error(input) where it cannot be read, or is larger than any such file should be.
std::string tuned_file_text(const std::string &path);

}  // namespace attune

#pragma once
#include <string>

namespace attune::cli {

/// Writes beside `path` and renames, so that the file appears only when complete. Throws Error(input).
void write_text_file(const std::string &path, const std::string &text);

/// Refuses, before the work is done, an output path whose folder is missing or not writable, or that is a folder. Throws Error(input).
void check_output_path(const std::string &flag, const std::string &path);

}  // namespace attune::cli

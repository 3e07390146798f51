#pragma once
#include "generator/spec/expression.h"

#include <string>

namespace attune {

/// The folder of a specification's file, "" for the current one.
std::string folder_of(const std::string &file);

/// The file of blocks(file, size): a bool or integer array (rows, columns) or (heads, rows, columns), not 0 where a block is visible.
/// A relative name is looked for in `folder`, then in the current one. Throws Error(input).
std::shared_ptr<const Pattern> read_pattern(const std::string &file, const std::string &folder, int64_t size);

}  // namespace attune

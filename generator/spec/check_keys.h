#pragma once
#include "generator/spec/field.h"

#include <optional>

namespace attune {

/// Throws Error(usage) for the first key, as they stand in the file, that no table has: a misspelt key explains what follows from it.
void check_keys(const RawSpec &raw);
/// A key's value where it is given.
std::optional<Field> find_field(const RawSpec &raw, const std::string &key);

}  // namespace attune

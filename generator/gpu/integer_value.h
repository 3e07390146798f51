#pragma once
#include "Halide.h"

#include <map>
#include <optional>
#include <string>

namespace attune {

/// The value of an integer or boolean expression of 32 bits where each of its variables has the value given; nothing where it loads, calls a
/// function, or reads another variable. Division and remainder round to minus infinity, as Halide's.
std::optional<int64_t> integer_value(const Halide::Expr &expression, const std::map<std::string, int64_t> &variables);

}  // namespace attune

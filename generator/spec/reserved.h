#pragma once
#include <string>

namespace attune {

/// Words that cannot name a function or a field in a header for C and C++: keywords of both, macros and functions that every program has.
bool is_reserved_in_c(const std::string &name);

/// Names of the expression language: variables, functions, helpers, true, false, none.
bool is_reserved_in_expressions(const std::string &name);

}  // namespace attune

#pragma once
#include <stdexcept>

/// A file that is missing, broken or not what was expected: what(), one line, names the file and the cure where one is known.
struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

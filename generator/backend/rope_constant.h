#pragma once
#include "generator/spec/spec.h"

#include <string>

namespace attune {

// LLVM assembly, for descriptors.

/// A double as LLVM reads one exactly.
std::string double_constant(double x);
/// The definition of the global `name`: a rope's frequencies; "" where there is none.
std::string frequency_table(const std::string &name, const RopeSpec &rope);
/// An attune_rope, of the type %rope, that points to it.
std::string rope_constant(const std::string &name, const RopeSpec &rope);

}  // namespace attune

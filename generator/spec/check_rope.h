#pragma once
#include "generator/spec/field.h"

namespace attune {

/// The settings of a key rope: {style = "half", base = 10000, …}. Throws Error(usage).
RopeSpec check_rope(const Field &field, int head_dim);

}  // namespace attune

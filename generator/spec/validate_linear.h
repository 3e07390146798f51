#pragma once
#include "generator/spec/spec.h"

namespace attune {

/// The keys of normalizer linear, and what goes with it: a mask that a running state can honour, and no pairs of their own. After the keys `mask`,
/// `score` and `params`. Throws Error(usage).
void check_linear(const RawSpec &raw, AttentionSpec &spec);

}  // namespace attune

#pragma once
#include "generator/spec/expression.h"

#include <vector>

namespace attune {

/// The constant patterns of an expression, helpers written out, one for each place that reads one, in the order of the text.
std::vector<const Pattern *> patterns_of(const Expression &expression);

}  // namespace attune

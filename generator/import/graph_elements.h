#pragma once
#include "generator/import/graph_value.h"

namespace attune {

/// Add, Where, Cast, …: operators that compute each element from the same elements of their inputs. Empty: the operator is another one.
std::optional<GraphValue> element_operator(const OnnxOperation &operation, const std::vector<GraphValue> &inputs);

}  // namespace attune

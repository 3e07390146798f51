#pragma once
#include "generator/reference/reference.h"
#include "generator/spec/evaluate.h"

namespace attune {

/// Fills in what the specification says of pairs (visible, score, normalizer, sink, pairs and the scale) and, for the bound, of products.
/// params: a value for each of spec.params. The heads of `problem` must be set; later changes of them are not seen.
void set_expressions(ReferenceProblem &problem, const AttentionSpec &spec, const std::vector<ParamValue> &params);

}  // namespace attune

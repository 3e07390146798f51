#pragma once
#include "generator/backend/target.h"

#include <string>
#include <vector>

namespace attune::bench {

/// Measures and prints dense layers of f32, one thread, in turns with OpenBLAS where that is installed: those whose name contains `filter`
/// ("avx2 384x1536 16"), as a table or as JSON. Returns the number of wrong results.
int print_projections(const std::vector<const CpuTarget *> &targets, const std::string &filter, bool json);

}  // namespace attune::bench

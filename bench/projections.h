#pragma once
#include "generator/backend/target.h"

#include <string>
#include <vector>

namespace attune::bench {

/// Measures and prints dense layers of a type, one thread, in turns with OpenBLAS (f32) and oneDNN where those are installed: those whose name
/// contains `filter` ("avx2 384x1536 16"), as a table or as JSON. Returns the number of wrong results.
int print_projections(const std::vector<const CpuTarget *> &targets, DType dtype, const std::string &filter, bool json);

}  // namespace attune::bench

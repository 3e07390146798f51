#pragma once
#include "generator/backend/target.h"

#include <string>
#include <vector>

namespace attune::bench {

/// Measures and prints the figures that this version must show (those whose text contains `filter`): shares of the peak, and the rates of two kernels or inputs side by side.
/// Returns the number of wrong results; a missed figure is printed, not an error, as a busy machine misses some.
int print_ratios(const std::vector<const CpuTarget *> &targets, const std::string &filter);

}  // namespace attune::bench

#pragma once
#include "generator/backend/target.h"
#include "ratio_table.h"

namespace attune::bench {

/// Decode against the memory that it reads, its caches against each other, its rows and threads: what --ratios shows of them. Returns the number of
/// wrong results.
int add_decode_figures(RatioTable &table, const CpuTarget &target);

}  // namespace attune::bench

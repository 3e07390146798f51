#pragma once
#include "generator/backend/target.h"

#include <vector>

namespace attune::bench {

/// Registers a Google Benchmark row for each of bench_shapes x dtype x target x threads ("ort-mha-1024-d64/f32/avx512/threads:1"), and for
/// comparison, in f32 on one thread, the other algorithms ("…/avx512/online/threads:1") and the naive loops ("…/f32/naive/threads:1").
void register_rows(const std::vector<const CpuTarget *> &targets);

/// Rows that threw, or computed something wrong.
int failed_rows();

/// What calls are timed with. One thread: the time it was on a CPU, so that neighbours who take the core turns do not count (on a quiet
/// machine the two are the same). More: the time on the wall.
double seconds_now(int threads);

/// The peak of the target by the same clock; the highest of three short measurements, as one may be interrupted.
double peak_gflops(const CpuTarget &target, int threads);

double median(std::vector<double> values);

}  // namespace attune::bench

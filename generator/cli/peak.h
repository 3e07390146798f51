#pragma once
#include "generator/backend/target.h"

#include <vector>

namespace attune::cli {

/// Where the machine cannot run the target: a core of about 2.5 GHz that does two vector operations a cycle, a product of matrix tiles in 16.
constexpr double assumed_gflops_per_lane = 2.5 * 2 * 2, assumed_tile_gflops = 2.5 * 2 * 16 * 16 * 32 / 16, assumed_gbs = 10;
double assumed_peak_gflops(const CpuTarget &target);

/// CPUs that this process may run on, one thread of every core first, so that a prefix is the best choice for that many threads.
std::vector<int> usable_cpus();
/// Confines this process (the calling thread and those it starts later) to the first `threads` of usable_cpus(), so that neither kernel
/// nor peak moves. Returns false where there are too few.
bool pin_to_cpus(int threads);

/// GFLOP/s of the unit that `target` multiplies with, from registers only: fused multiply-adds of 512 (avx512) or 256 bits (avx2), dot products of
/// bf16 pairs (avx512_bf16), of whole matrix tiles of them (amx), fused multiply-adds of halves (avx512_fp16), multiplications and additions of 128
/// bits (sse41), fused ones of 128 bits (neon), on `threads` threads at once for about `seconds`. The machine must have the target.
double measure_peak_gflops(const CpuTarget &target, int threads, double seconds);

/// The best of several shorter measurements: what the unit can do, where neighbours share the machine.
double best_peak_gflops(const CpuTarget &target, int threads, double seconds);
/// The same of multiply-adds of f32 in the target's vectors, whatever its kernels multiply with.
double best_vector_gflops(const CpuTarget &target, int threads, double seconds);

/// GB/s of reading memory that no cache holds, on `threads` threads: the best of several passes within about `seconds`.
double measure_read_gbs(int threads, double seconds);
/// The same of a working set of `bytes`, again and again on one thread, in the widest registers there are: what a cache delivers.
double measure_cached_read_gbs(size_t bytes, double seconds);

}  // namespace attune::cli

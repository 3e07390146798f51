#pragma once
#include "generator/backend/target.h"

#include <cstddef>
#include <cstdint>

namespace attune::cli {

/// Multiplies in registers for some microseconds, and returns the FLOPs it did.
using PeakLoop = double (*)();
/// Of the unit that the target's kernels multiply with. The machine must have it.
PeakLoop peak_loop(const CpuTarget &target);
/// Of multiply-adds of f32 in the target's vectors.
PeakLoop vector_loop(const CpuTarget &target);

/// The sum of `bytes` at `memory`, a multiple of 512 aligned to the loads.
using ReadLoop = uint64_t (*)(const void *memory, size_t bytes);
/// By loads of 128 bits; `bytes` a multiple of 128.
uint64_t sum_by_128(const void *memory, size_t bytes);
/// By the widest loads that this machine has.
ReadLoop widest_read_loop();

}  // namespace attune::cli

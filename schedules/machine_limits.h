#pragma once
#include <vector>

namespace attune {

/// A level of the memory hierarchy: what it holds for one thread, and how fast one thread reads it.
struct CacheLevel {
    double bytes = 0;  ///< of memory: infinite
    double gbs = 0;    ///< GB/s
};

/// What a machine can do, measured (`attune doctor --measure`): all that the model knows of it.
struct MachineLimits {
    double peak_gflops = 0;          ///< of one thread, of the unit that the target's kernels multiply with
    double vector_gflops = 0;        ///< of one thread, of multiply-adds of f32 in the target's vectors
    std::vector<CacheLevel> levels;  ///< first-level cache ... memory

    /// Nanoseconds to read `bytes` once from the level where a working set of `footprint` bytes lies.
    double read_ns(double bytes, double footprint) const;
    double clock_ns(int vector) const;  ///< two multiply-adds of a vector
};

/// One call, as much as its time depends on it. Counts are over all heads and sequences.
struct CallWork {
    int threads = 1;
    double rows = 0;          ///< query rows that are computed, padded to whole strips
    double pairs = 0;         ///< (row, key) that are computed: those of tiles that hold a visible one
    double masked_pairs = 0;  ///< of them, in chunks that ask the mask
    double tasks = 0;         ///< that threads share out
    double kv_heads = 0;      ///< key/value heads, over sequences
    double seq_len_kv = 0;
    double cache_row_bytes = 0;  ///< of a key and its value as the caller stores them
};

}  // namespace attune

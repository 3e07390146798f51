#pragma once
#include "attune/attention.h"
#include "attune/device.h"

#include <string>

namespace attune::gpu_bench {

/// One shape of one kernel: `batch` sequences, rows of all heads beside each other (batch, sequence, head, dim). Of the sweep as many queries as
/// keys; of decode one query a sequence.
struct SweepRow {
    const attune_kernel *kernel = nullptr;
    int64_t batch = 1, num_heads = 1, num_kv_heads = 1, seq_len_q = 1, seq_len_kv = 1;
};

struct SweepResult {
    std::string target;
    double median_ms = 0, min_ms = 0;
    double gbs = 0;          ///< of keys and values read once, by the median
    double tflops = 0;       ///< of 2 * visible pairs * (head_dim + head_dim_v), by the median
    double error_share = 0;  ///< of the bound, the worst of the rows that were looked at; above 1 the result is wrong
};

/// Runs the row `repeats` times after `warm_up` runs, each with everything enqueued and waited for, and compares some rows of the result with attention
/// in double. Throws std::runtime_error with the runtime's sentence where a call fails.
SweepResult measure(const attune_device &device, const SweepRow &row, int warm_up, int repeats);

}  // namespace attune::gpu_bench

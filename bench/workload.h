#pragma once
#include "bench/shapes.h"
#include "generator/cli/cost.h"
#include "generator/cli/params.h"
#include "generator/cli/run_kernel.h"
#include "generator/reference/inputs.h"

#include <string>
#include <vector>

namespace attune::bench {

/// A kernel's specification and the extents of a call.
struct Workload {
    AttentionSpec spec;
    cli::Shape shape;
    std::vector<int32_t> lengths = {};  ///< rows and keys in use of each sequence; empty: all
    cli::CallParams params = {};
};
/// `padding`: sequences of different lengths, see padding_lengths.
Workload make_workload(DType dtype, const cli::Shape &shape, int head_dim, int head_dim_v, const PairsText &pairs = {},
                       bool padding = false);

/// As call_cost; of padded sequences only the rows and keys in use count.
cli::Cost workload_cost(const Workload &workload);

struct Arrays {
    cli::Bytes query, key, value;
};
Arrays random_arrays(const Workload &workload, InputKind kind);
/// N(0, 1), large enough for every one of bench_shapes: rows read the front of the same arrays, so that all of them stay in memory while
/// their repetitions interleave.
const Arrays &shared_arrays(DType dtype);
cli::CallInputs call_inputs(const Workload &workload, const Arrays &arrays);

/// Compiled or from the cache at the first use, kept until the end.
const LoadedKernel &kernel_for(const AttentionSpec &spec, const CpuTarget &target);

/// Compares a few rows with attention in double, within the derived bound: a bench must not measure a wrong kernel. lse may be null.
/// Empty where all is well, else one line.
std::string sampled_error(const Workload &workload, const Arrays &arrays, const cli::Bytes &output, const float *lse,
                          const Precision &precision);

}  // namespace attune::bench

#pragma once
#include "generator/cli/flags.h"
#include "generator/cli/npy/npy.h"
#include "generator/cli/ranges.h"
#include "generator/cli/run_inputs.h"
#include "generator/cli/run_kernel.h"

#include <cstdint>
#include <vector>

namespace attune::cli {

/// --weights, --importance and what they select.
void declare_weights(Flags &flags);
/// Whether either is given; then the specification's outputs have weights.
bool wants_weights(const Flags &flags);
/// Puts weights into the outputs of the specification, where the flags want them. asked: what raw validates to.
void add_weights_output(RawSpec &raw, const AttentionSpec &asked, const Flags &flags);

/// What of the weights is written.
struct WeightsSelection {
    std::vector<int64_t> heads;
    Range rows;
};
/// Refuses what has no weights that sum to one, flags without a file, and indices that the call does not have. Throws Error.
WeightsSelection read_weights_selection(const Flags &flags, const AttentionSpec &spec, const RunInputs &in);

/// weights (batch, heads, rows, keys), importance (batch, heads, keys): float32, of the selected heads and rows.
struct AttentionWeights {
    NpyArray weights, importance;
};
/// pairs: (batch, heads, seq_q, keys) as a kernel writes weights, in its type. Each row is divided by its sum, in double, so that only the
/// rounding of each element is left: its sum differs from 1 by 2^-24 at most. Rows that see no key stay 0. Importance of a key: the sum of
/// its column over the selected rows.
AttentionWeights select_weights(const Bytes &pairs, DType dtype, const Shape &shape, const WeightsSelection &selection);

}  // namespace attune::cli

#pragma once
#include "generator/cli/flags.h"
#include "generator/cli/npy/npy.h"
#include "generator/cli/run_inputs.h"

#include <vector>

namespace attune::cli {

/// --past-state and --past-key-sum, which a call starts from, and --state and --key-sum, which it leaves: of normalizer linear.
void declare_linear_state(Flags &flags);
/// Of these, the flags of files that a run writes.
constexpr const char *state_result_flags[] = {"--state", "--key-sum"};
bool wants_state(const Flags &flags);

/// What the past files hold: float32 (batch, kv_heads, head_dim, head_dim_v) and (batch, kv_heads, head_dim); empty: not given.
struct PastState {
    std::vector<float> outer, key_sum;
};
/// Refuses a specification without a state, one file without the other where rows are divided by their sum, and other shapes. Throws Error.
PastState read_past_state(const Flags &flags, const AttentionSpec &spec, const RunInputs &in);

std::vector<int64_t> state_shape(const AttentionSpec &spec, const Shape &shape);
std::vector<int64_t> key_sum_shape(const AttentionSpec &spec, const Shape &shape);

}  // namespace attune::cli

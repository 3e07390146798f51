#pragma once
#include "generator/cli/block_lists.h"
#include "generator/cli/shape.h"
#include "generator/spec/evaluate.h"
#include "generator/spec/spec.h"

#include <cstdint>

namespace attune::cli {

/// Work and traffic of one call, by the formulas that every report of this project uses.
struct Cost {
    int64_t visible_pairs = 0;  ///< (q, kv) that the mask shows, summed over batch and heads
    int64_t flops = 0;          ///< flops_formula
    int64_t bytes = 0;          ///< query, key and value (with the scales of a cache of integers) read once, output and lse written once
    double intensity() const { return bytes > 0 ? double(flops) / double(bytes) : 0; }
};
/// params: a value for each of spec.params. lists: of a specification with block_mask; none: all blocks are listed.
Cost call_cost(const AttentionSpec &spec, const Shape &shape, const std::vector<ParamValue> &params = {}, const BlockLists &lists = {});
inline const char *flops_formula(const AttentionSpec &spec) {
    return is_linear(spec) ? "2 * head_dim * head_dim_v * (b * h * sq + b * hkv * skv)" : "2 * visible_pairs * (head_dim + head_dim_v)";
}
constexpr const char *plain_bytes_formula =
    "element * (b * h * sq + b * hkv * skv) * (head_dim + head_dim_v) + 4 * b * h * sq where lse is written";
constexpr const char *cache_bytes_formula =
    "element * b * h * sq * (head_dim + head_dim_v) + b * hkv * skv * bytes of a key and its value in "
    "the cache + 4 * b * h * sq where lse is written";
inline const char *bytes_formula(const AttentionSpec &spec) {
    return spec.cache == KvCacheSpec{} ? plain_bytes_formula : cache_bytes_formula;
}

}  // namespace attune::cli

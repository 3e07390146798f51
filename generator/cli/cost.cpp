#include "generator/cli/cost.h"
#include "generator/plan/block_map.h"

#include <algorithm>

namespace attune::cli {
namespace {

int64_t visible_pairs(const AttentionSpec &spec, const Shape &s, const std::vector<ParamValue> &params) {
    // Sequences and heads that the mask does not tell apart are counted once.
    const auto reads = [&](Variable v) { return spec.mask && mentions(spec.mask.root, v); };
    const int64_t batches = reads(Variable::b) ? s.batch : std::min<int64_t>(s.batch, 1),
                  heads = reads(Variable::h) || reads(Variable::hkv) ? s.num_heads : 1;
    int64_t pairs = 0;
    for (int64_t b = 0; b < batches; b++)
        for (int64_t h = 0; h < heads; h++)
            pairs += count_visible_pairs({spec.mask.root, spec.params, params},
                                         {b, h, h / (s.num_heads / s.num_kv_heads), s.seq_len_q, s.seq_len_kv});
    return pairs * (s.batch / std::max<int64_t>(batches, 1)) * (s.num_heads / heads);
}

/// Of the listed blocks: those of full ones all, else one by one.
int64_t listed_pairs(const AttentionSpec &spec, const Shape &s, const std::vector<ParamValue> &params, const BlockLists &lists) {
    Program program({spec.mask ? spec.mask.root : make_boolean(true)});
    Bindings at;
    at[Variable::seq_len_q] = s.seq_len_q;
    at[Variable::seq_len_kv] = s.seq_len_kv;
    int64_t pairs = 0;
    for (int64_t b = 0; b < s.batch; b++)
        for (int64_t h = 0; h < s.num_heads; h++)
            for (int64_t row = 0; row < lists.rows; row++)
                lists.for_each(b, h, row, [&](int64_t column, bool full) {
                    const int64_t q = row * lists.size_q, q_end = std::min(q + lists.size_q, s.seq_len_q);
                    const int64_t kv = column * lists.size_kv, kv_end = std::min(kv + lists.size_kv, s.seq_len_kv);
                    if (full || !spec.mask) {
                        pairs += (q_end - q) * (kv_end - kv);
                        return;
                    }
                    at[Variable::b] = b;
                    at[Variable::h] = h;
                    at[Variable::hkv] = h / (s.num_heads / s.num_kv_heads);
                    for (at[Variable::q] = q; at[Variable::q] < q_end; at[Variable::q]++)
                        for (at[Variable::kv] = kv; at[Variable::kv] < kv_end; at[Variable::kv]++)
                            pairs += program.run(at, params)[0].integer;
                });
    return pairs;
}

}  // namespace

Cost call_cost(const AttentionSpec &spec, const Shape &s, const std::vector<ParamValue> &params, const BlockLists &lists) {
    const int64_t dims = spec.head_dim + spec.head_dim_v, rows = s.batch * s.num_heads * s.seq_len_q,
                  keys = s.batch * s.num_kv_heads * s.seq_len_kv;
    const int64_t value_bytes = spec.cache.values_in_key ? 0 : cache_row_bytes(spec, spec.head_dim_v);
    Cost cost;
    cost.visible_pairs = lists ? listed_pairs(spec, s, params, lists) : visible_pairs(spec, s, params);
    cost.flops = is_linear(spec) ? 2 * spec.head_dim * spec.head_dim_v * (rows + keys) : 2 * cost.visible_pairs * dims;
    cost.bytes =
        rows * dims * dtype_bytes(spec.dtype) + keys * (cache_row_bytes(spec, spec.head_dim) + value_bytes) + (spec.lse ? 4 * rows : 0);
    return cost;
}

}  // namespace attune::cli

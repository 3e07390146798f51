#include "generator/cli/cost.h"

#include "generator/cli/mask_picture.h"

namespace attune::cli {

Cost call_cost(const AttentionSpec &spec, const Shape &s) {
    const int64_t dims = spec.head_dim + spec.head_dim_v, rows = s.batch * s.num_heads * s.seq_len_q,
                  keys = s.batch * s.num_kv_heads * s.seq_len_kv;
    Cost cost;
    cost.visible_pairs = s.batch * s.num_heads * visible_pairs(spec.mask, s.seq_len_q, s.seq_len_kv);
    cost.flops = 2 * cost.visible_pairs * dims;
    cost.bytes = (rows + keys) * dims * dtype_bytes(spec.dtype) + (spec.lse ? 4 * rows : 0);
    return cost;
}

}  // namespace attune::cli

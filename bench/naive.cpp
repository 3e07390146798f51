#include "naive.h"

#include <algorithm>
#include <cmath>

namespace attune::bench {
namespace {

/// Keys that row q sees: the shapes of this table have no other masks.
int64_t visible_keys(const AttentionSpec &spec, int64_t q, int64_t len_q, int64_t len_kv) {
    return spec.mask_text() == "causal" ? std::clamp<int64_t>(q + len_kv - len_q + 1, 0, len_kv) : len_kv;
}

}  // namespace

void naive_attention(const Workload &w, const Arrays &arrays, float *output) {
    const auto [batch, heads, kv_heads, seq_q, seq_kv] = w.shape;
    const int dim = w.spec.head_dim, dim_v = w.spec.head_dim_v;
    const float scale = static_cast<float>(w.spec.softmax_scale);
    std::vector<float> weights(seq_kv);
    for (int64_t head = 0; head < batch * heads; head++) {
        const int64_t b = head / heads, kv_head = b * kv_heads + head % heads / (heads / kv_heads);
        const int64_t len_q = w.lengths.empty() ? seq_q : w.lengths[b], len_kv = w.lengths.empty() ? seq_kv : w.lengths[b];
        const float *key = arrays.key.as<float>() + kv_head * seq_kv * dim, *value = arrays.value.as<float>() + kv_head * seq_kv * dim_v;
        for (int64_t q = 0; q < len_q; q++) {
            const float *query = arrays.query.as<float>() + (head * seq_q + q) * dim;
            float *out = output + (head * seq_q + q) * dim_v;
            const int64_t visible = visible_keys(w.spec, q, len_q, len_kv);
            float largest = -1e30f, sum = 0;
            for (int64_t kv = 0; kv < visible; kv++) {
                float dot = 0;
                for (int d = 0; d < dim; d++)
                    dot += query[d] * key[kv * dim + d];
                weights[kv] = dot * scale;
                largest = std::max(largest, weights[kv]);
            }
            std::fill_n(out, dim_v, 0.0f);
            for (int64_t kv = 0; kv < visible; kv++) {
                const float weight = std::exp(weights[kv] - largest);
                sum += weight;
                for (int d = 0; d < dim_v; d++)
                    out[d] += weight * value[kv * dim_v + d];
            }
            for (int d = 0; d < dim_v; d++)
                out[d] /= sum;
        }
    }
}

}  // namespace attune::bench

#include "naive_attention.h"

#include "parallel.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

template <class Real>
void attention_loops(const AttentionCall &call) {
    const Real scale = 1 / std::sqrt(static_cast<Real>(call.head_dim));
    parallel_ranges(call.threads, call.batch * call.num_heads, [&](int64_t begin, int64_t end) {
        std::vector<Real> weights(call.seq_len), sum(call.head_dim);
        for (int64_t task = begin; task < end; ++task) {
            const int64_t b = task / call.num_heads, h = task % call.num_heads, length = call.lengths[b];
            const int64_t input = b * call.stride_input[0] + h * call.stride_input[1];
            const float *query = call.query + input, *key = call.key + input, *value = call.value + input;
            float *output = call.output + b * call.stride_output[0] + h * call.stride_output[1];

            for (int64_t q = 0; q < call.seq_len; ++q) {
                float *row = output + q * call.stride_output[2];
                std::fill_n(row, call.head_dim, 0.0f);
                if (q >= length)
                    continue;

                Real largest = std::numeric_limits<Real>::lowest();
                for (int64_t kv = 0; kv < length; ++kv) {
                    Real dot = 0;
                    for (int64_t d = 0; d < call.head_dim; ++d)
                        dot += static_cast<Real>(query[q * call.stride_input[2] + d]) * key[kv * call.stride_input[2] + d];
                    weights[kv] = dot * scale;
                    largest = std::max(largest, weights[kv]);
                }
                Real total = 0;
                std::ranges::fill(sum, Real(0));
                for (int64_t kv = 0; kv < length; ++kv) {
                    const Real weight = std::exp(weights[kv] - largest);
                    total += weight;
                    for (int64_t d = 0; d < call.head_dim; ++d)
                        sum[d] += weight * value[kv * call.stride_input[2] + d];
                }
                for (int64_t d = 0; d < call.head_dim; ++d)
                    row[d] = static_cast<float>(sum[d] / total);
            }
        }
    });
}

}  // namespace

void naive_attention(const AttentionCall &call) {
    attention_loops<float>(call);
}
void reference_attention(const AttentionCall &call) {
    attention_loops<double>(call);
}

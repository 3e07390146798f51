#include "naive_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

/// Head h of token t.
void attend(const AttentionCall &call, int64_t h, int64_t t, std::vector<float> &weights) {
    const int64_t dims = call.head_dim, visible = call.length - call.tokens + t + 1;
    const int64_t kv_head = h / (call.num_heads / call.num_kv_heads) * call.capacity * dims;
    const float *query = call.query + (t * call.num_heads + h) * dims, *key = call.key + kv_head, *value = call.value + kv_head;
    float *output = call.output + (t * call.num_heads + h) * dims;

    const float scale = 1 / std::sqrt(static_cast<float>(dims));
    float largest = std::numeric_limits<float>::lowest(), total = 0;
    for (int64_t j = 0; j < visible; ++j) {
        float dot = 0;
        for (int64_t d = 0; d < dims; ++d)
            dot += query[d] * key[j * dims + d];
        weights[j] = dot * scale;
        largest = std::max(largest, weights[j]);
    }
    std::fill_n(output, dims, 0.0f);
    for (int64_t j = 0; j < visible; ++j) {
        const float weight = std::exp(weights[j] - largest);
        total += weight;
        for (int64_t d = 0; d < dims; ++d)
            output[d] += weight * value[j * dims + d];
    }
    for (int64_t d = 0; d < dims; ++d)
        output[d] /= total;
}

}  // namespace

void naive_attention(const AttentionCall &call) {
#pragma omp parallel num_threads(call.threads)
    {
        std::vector<float> weights(call.length);
#pragma omp for collapse(2) schedule(static)
        for (int64_t t = 0; t < call.tokens; ++t)
            for (int64_t h = 0; h < call.num_heads; ++h)
                attend(call, h, t, weights);
    }
}

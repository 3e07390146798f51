#include "loops.h"

#include <algorithm>
#include <cmath>
#include <limits>

double share_of_bound(const std::vector<float> &query, const std::vector<float> &key, const std::vector<float> &value, int64_t tokens,
                      int chunks, const Part &found) {
    const double u = 0x1p-24, scale = 1 / std::sqrt(double(head_dim));
    double largest = 0;
    const auto compare = [&](double got, double want, double bound) {
        const double share = std::abs(got - want) / bound;
        largest = std::max(largest, std::isnan(share) ? std::numeric_limits<double>::infinity() : share);
    };
    std::vector<double> logits(static_cast<size_t>(tokens));
    for (int64_t head = 0; head < num_heads; head++)
        for (int64_t q = 0; q < tokens; q++) {
            const int64_t kv_head = head / (num_heads / num_kv_heads);
            const auto row_of = [&](const std::vector<float> &x, int64_t token) {
                return &x[size_t((token * num_kv_heads + kv_head) * head_dim)];
            };
            const float *row = &query[size_t((q * num_heads + head) * head_dim)];
            double largest_logit = -std::numeric_limits<double>::infinity(), largest_magnitude = 0, logit_error = 0;
            for (int64_t kv = 0; kv <= q; kv++) {
                double dot = 0, magnitude = 0;
                for (int64_t d = 0; d < head_dim; d++) {
                    const double product = double(row[d]) * row_of(key, kv)[d];
                    dot += product, magnitude += std::abs(product);
                }
                logits[size_t(kv)] = scale * dot;
                largest_logit = std::max(largest_logit, scale * dot);
                largest_magnitude = std::max(largest_magnitude, std::abs(scale * dot));
                logit_error = std::max(logit_error, double(head_dim + 8) * u * scale * magnitude);
            }
            double sum = 0, weighted[head_dim] = {}, weighted_magnitude[head_dim] = {};
            for (int64_t kv = 0; kv <= q; kv++) {
                const double weight = std::exp(logits[size_t(kv)] - largest_logit);
                sum += weight;
                for (int64_t d = 0; d < head_dim; d++) {
                    weighted[d] += weight * row_of(value, kv)[d];
                    weighted_magnitude[d] += weight * std::abs(row_of(value, kv)[d]);
                }
            }
            const double largest_lse = largest_magnitude + std::log(double(q + 1));
            compare(found.lse[size_t(q * num_heads + head)], largest_logit + std::log(sum), logit_error + u * (8 + 2 * largest_lse));
            for (int64_t d = 0; d < head_dim; d++)
                compare(found.output[size_t((q * num_heads + head) * head_dim + d)], weighted[d] / sum,
                        (2 * logit_error + u * (12 + chunks + 4 * largest_lse)) * weighted_magnitude[d] / sum);
        }
    return largest;
}

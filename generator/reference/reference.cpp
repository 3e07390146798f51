#include "generator/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace attune {
namespace {

constexpr double hidden_below = -1e29;  // so that the finite minima of other frameworks hide, as in the kernels
constexpr double infinity = std::numeric_limits<double>::infinity();

void check_problem(const ReferenceProblem &p) {
    const auto require = [](bool holds, const char *what) {
        if (!holds) throw std::invalid_argument(what);
    };
    require(p.batch >= 0 && p.num_heads >= 0 && p.seq_len_q >= 0 && p.seq_len_kv >= 0, "reference_attention: a negative extent");
    require(p.head_dim > 0 && p.head_dim_v > 0, "reference_attention: head_dim and head_dim_v must be positive");
    require(p.num_kv_heads > 0 && p.num_heads % p.num_kv_heads == 0, "reference_attention: num_kv_heads must divide num_heads");
    const auto size = [](int64_t a, int64_t b, int64_t c, int64_t d) { return static_cast<size_t>(a * b * c * d); };
    require(p.query.size() == size(p.batch, p.num_heads, p.seq_len_q, p.head_dim), "reference_attention: query has another size than its shape");
    require(p.key.size() == size(p.batch, p.num_kv_heads, p.seq_len_kv, p.head_dim), "reference_attention: key has another size than its shape");
    require(p.value.size() == size(p.batch, p.num_kv_heads, p.seq_len_kv, p.head_dim_v), "reference_attention: value has another size than its shape");
    require(p.lengths_q.empty() || p.lengths_q.size() == static_cast<size_t>(p.batch), "reference_attention: lengths_q needs one length a sequence");
    require(p.lengths_kv.empty() || p.lengths_kv.size() == static_cast<size_t>(p.batch), "reference_attention: lengths_kv needs one length a sequence");
}

int64_t length_of(const std::vector<int32_t> &lengths, int64_t b, int64_t all) {
    return lengths.empty() ? all : std::clamp<int64_t>(lengths[static_cast<size_t>(b)], 0, all);
}

}  // namespace

ReferenceResult reference_attention(const ReferenceProblem &p) {
    check_problem(p);
    const int64_t rows = p.batch * p.num_heads * p.seq_len_q;
    ReferenceResult result;
    result.output.assign(static_cast<size_t>(rows * p.head_dim_v), 0.0);
    result.value_abs.assign(static_cast<size_t>(rows * p.head_dim_v), 0.0);
    result.lse.assign(static_cast<size_t>(rows), -infinity);
    result.score_abs.assign(static_cast<size_t>(rows), 0.0);

    std::vector<double> logits;  // of one row, for the keys it sees
    std::vector<int64_t> seen;   // which keys these are
    for (int64_t b = 0; b < p.batch; b++) {
        const int64_t len_q = length_of(p.lengths_q, b, p.seq_len_q), len_kv = length_of(p.lengths_kv, b, p.seq_len_kv);
        for (int64_t h = 0; h < p.num_heads; h++) {
            const int64_t kv_head = b * p.num_kv_heads + h / (p.num_heads / p.num_kv_heads);
            for (int64_t q = 0; q < len_q; q++) {
                const int64_t row = (b * p.num_heads + h) * p.seq_len_q + q;
                const double *query = p.query.data() + row * p.head_dim;

                logits.clear();
                seen.clear();
                double largest = -infinity, score_abs = 0;
                for (int64_t kv = 0; kv < len_kv; kv++) {
                    if (p.visible && !p.visible(b, h, q, kv, len_q, len_kv)) continue;
                    result.visible_pairs++;
                    const double *key = p.key.data() + (kv_head * p.seq_len_kv + kv) * p.head_dim;
                    double sum = 0, sum_abs = 0;
                    for (int d = 0; d < p.head_dim; d++) {
                        sum += query[d] * key[d];
                        sum_abs += std::abs(query[d] * key[d]);
                    }
                    const double logit = p.softmax_scale * sum;
                    if (logit < hidden_below) continue;  // false for NaN: a visible NaN shows
                    logits.push_back(logit);
                    seen.push_back(kv);
                    largest = std::max(largest, logit);
                    score_abs = std::max(score_abs, p.softmax_scale * sum_abs);
                }
                if (seen.empty()) continue;

                double row_sum = 0;
                for (double &logit : logits) row_sum += logit = std::exp(logit - largest);
                double *output = result.output.data() + row * p.head_dim_v, *value_abs = result.value_abs.data() + row * p.head_dim_v;
                for (size_t i = 0; i < seen.size(); i++) {
                    const double prob = logits[i] / row_sum;
                    const double *value = p.value.data() + (kv_head * p.seq_len_kv + seen[i]) * p.head_dim_v;
                    for (int d = 0; d < p.head_dim_v; d++) {
                        output[d] += prob * value[d];
                        value_abs[d] += prob * std::abs(value[d]);
                    }
                }
                result.lse[static_cast<size_t>(row)] = largest + std::log(row_sum);
                result.score_abs[static_cast<size_t>(row)] = score_abs;
            }
        }
    }
    return result;
}

}  // namespace attune

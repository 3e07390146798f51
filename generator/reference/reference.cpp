#include "generator/reference/reference.h"

#include "generator/reference/linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace attune {
namespace {

constexpr double hidden_below = -1e29;  // so that the finite minima of other frameworks hide, as in the kernels
constexpr double u32 = 0x1p-24;         // unit roundoff of the f32 arithmetic in a kernel
constexpr double u16 = 0x1p-11;         // of half precision
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
    require(p.query_terms.empty() || p.query_terms.size() == p.query.size(), "reference_attention: query_terms has another size than query");
    require(p.key.size() == size(p.batch, p.num_kv_heads, p.seq_len_kv, p.head_dim), "reference_attention: key has another size than its shape");
    require(p.value.size() == size(p.batch, p.num_kv_heads, p.seq_len_kv, p.head_dim_v), "reference_attention: value has another size than its shape");
    require(p.lengths_q.empty() || p.lengths_q.size() == static_cast<size_t>(p.batch), "reference_attention: lengths_q needs one length a sequence");
    require(p.lengths_kv.empty() || p.lengths_kv.size() == static_cast<size_t>(p.batch), "reference_attention: lengths_kv needs one length a sequence");
    require(p.sink.empty() || p.sink.size() == static_cast<size_t>(p.num_heads), "reference_attention: sink needs one logit a head");
    require(p.sink.empty() || p.normalizer == Normalizer::softmax, "reference_attention: a sink goes with softmax");
}

/// The logit of the sink of a head, -infinity where it has none.
double sink_of(const ReferenceProblem &p, int64_t h) {
    if (p.normalizer == Normalizer::softmax_plus_one) return 0;
    return p.sink.empty() ? -infinity : p.sink[static_cast<size_t>(h)];
}

/// One row of one head.
class Row {
public:
    Row(const ReferenceProblem &p, ReferenceResult &result, int64_t b, int64_t h, int64_t q, int64_t len_q, int64_t len_kv)
        : p_(p), result_(result), b_(b), h_(h), q_(q), len_q_(len_q), len_kv_(len_kv), row_((b * p.num_heads + h) * p.seq_len_q + q),
          kv_head_(b * p.num_kv_heads + h / (p.num_heads / p.num_kv_heads)) {}

    /// The logits of the keys that the row sees.
    void find_logits() {
        if (p_.compute == ComputeDType::i8) find_largest_key();
        for (int64_t kv = 0; kv < len_kv_; kv++) {
            const bool visible = !p_.visible || p_.visible(b_, h_, q_, kv, len_q_, len_kv_);
            if (!visible && p_.pairs != PairsOutput::logits_raw) {
                if (p_.pairs == PairsOutput::logits || p_.pairs == PairsOutput::logits_biased) pair(kv) = -infinity;
                continue;
            }
            const auto [s, s_error] = scaled_product(kv);
            if (p_.pairs == PairsOutput::logits_raw) pair(kv) = s, pair_error(kv) = s_error;
            if (!visible) continue;

            result_.visible_pairs++;
            const Logit logit = scored(p_.score, kv, s, s_error);
            if (p_.pairs == PairsOutput::logits) show_logit(kv, logit);
            if (p_.pairs == PairsOutput::logits_biased) show_logit(kv, p_.biased_score ? scored(p_.biased_score, kv, s, s_error) : logit);
            if (logit.hides()) continue;
            logits.push_back(logit.value);
            seen.push_back(kv);
            rounding.push_back(logit.rounding);
            passed_ = std::max(passed_, logit.passed);
        }
        result_.keys_seen[static_cast<size_t>(row_)] = static_cast<int64_t>(seen.size());
    }

    /// Logits become weights; the row gets its lse.
    void normalize() {
        if (p_.normalizer == Normalizer::sigmoid) {
            for (double &logit : logits) logit = 1 / (1 + std::exp(-logit));
            return;
        }
        if (p_.normalizer == Normalizer::relu) {
            for (double &logit : logits) logit = logit < 0 ? 0 : logit;
            return;
        }
        const double sink = sink_of(p_, h_);
        double largest = sink;
        for (const double logit : logits) largest = std::max(largest, logit);
        if (largest == -infinity && logits.empty()) return;  // sees nothing: lse stays -infinity
        double row_sum = sink == -infinity ? 0 : std::exp(sink - largest);
        for (double &logit : logits) row_sum += logit = std::exp(logit - largest);
        for (double &logit : logits) logit /= row_sum;
        result_.lse[static_cast<size_t>(row_)] = largest + std::log(row_sum);
    }

    void add_values() {
        double mean_rounding = 0;  // what it does to the sum; without one nothing
        if (is_softmax(p_.normalizer))
            for (size_t i = 0; i < seen.size(); i++) mean_rounding += logits[i] * rounding[i];
        result_.lse_error[static_cast<size_t>(row_)] = passed_ + mean_rounding;

        const int64_t at = row_ * p_.head_dim_v;
        double *output = result_.output.data() + at, *value_abs = result_.value_abs.data() + at, *error = result_.output_error.data() + at;
        double largest_term = 0;
        for (size_t i = 0; i < seen.size(); i++) {
            const double weight = logits[i], *value = p_.value.data() + (kv_head_ * p_.seq_len_kv + seen[i]) * p_.head_dim_v;
            // Exponentials turn the logit's error into a share of the weight; relu hands it on as it is.
            const double weight_error = p_.normalizer == Normalizer::relu ? passed_ + rounding[i] : weight * (2 * passed_ + rounding[i] + mean_rounding);
            const double lost = p_.compute == ComputeDType::f16 ? 0x1p-24 : 0, underflow = p_.integer_values ? 0x1p-118 : 0;
            for (int d = 0; d < p_.head_dim_v; d++) {
                output[d] += weight * value[d];
                value_abs[d] += weight * std::abs(value[d]);
                if (value[d] != 0) error[d] += std::abs(value[d]) * weight_error;  // which may be infinite
                error[d] += lost * (std::abs(value[d]) + 0.5) + underflow * (std::abs(value[d]) + 1);
            }
            if (p_.integer_weights) {
                double largest = 0;
                for (int d = 0; d < p_.head_dim_v; d++) {
                    largest = std::max(largest, std::abs(value[d]));
                    error[d] += 0x1p-17 * weight * std::abs(value[d]);
                }
                largest_term = std::max(largest_term, weight * largest);
            }
            if (p_.pairs == PairsOutput::weights) {
                pair(seen[i]) = weight;
                pair_error(seen[i]) = weight * 8 * u32 + weight_error;
            }
        }
        for (int d = 0; d < p_.head_dim_v; d++) error[d] += 0x1p-24 * static_cast<double>(seen.size()) * largest_term;
    }

    std::vector<double> logits;    ///< for the keys it sees; then their weights
    std::vector<int64_t> seen;     ///< which keys these are
    std::vector<double> rounding;  ///< r of ReferenceResult::output_error

private:
    struct Bounded {
        double value, error;
    };
    struct Logit {
        double value;
        double passed;    ///< what the error of s becomes
        double rounding;  ///< of the score itself
        bool hides() const { return value < hidden_below; }  ///< false for NaN: a visible NaN shows
    };

    Bounded scaled_product(int64_t kv) const {
        const double *query = p_.query.data() + row_ * p_.head_dim, *key = p_.key.data() + (kv_head_ * p_.seq_len_kv + kv) * p_.head_dim;
        double sum = 0, sum_abs = 0;
        for (int d = 0; d < p_.head_dim; d++) {
            sum += query[d] * key[d];
            sum_abs += std::abs(query[d] * key[d]);
        }
        double error = u32 * (p_.head_dim + 8) * sum_abs;
        if (!p_.query_terms.empty()) {
            const double *terms = p_.query_terms.data() + row_ * p_.head_dim;
            double turned = 0;
            for (int d = 0; d < p_.head_dim; d++) turned += terms[d] * std::abs(key[d]);
            error += 4 * u32 * turned;
        }
        if (p_.integer_queries) {
            double largest = 0, key_abs = 0;
            for (int d = 0; d < p_.head_dim; d++) largest = std::max(largest, std::abs(query[d])), key_abs += std::abs(key[d]);
            error += largest * key_abs / 65278;
        }
        if (p_.compute == ComputeDType::f16) error += 2 * u16 * std::sqrt(p_.head_dim) * sum_abs;
        if (p_.compute == ComputeDType::i8) {
            const Size q = size_of(query), k = size_of(key);
            error += 6 / (127 * std::sqrt(12)) * (q.norm * (k.largest + largest_key_.largest) + q.largest * (k.norm + largest_key_.norm));
        }
        return {p_.softmax_scale * sum, p_.softmax_scale * error};
    }

    struct Size {
        double norm = 0, largest = 0;
    };
    Size size_of(const double *x) const {
        Size size;
        for (int d = 0; d < p_.head_dim; d++) {
            size.norm += x[d] * x[d];
            size.largest = std::max(size.largest, std::abs(x[d]));
        }
        size.norm = std::sqrt(size.norm);
        return size;
    }

    void find_largest_key() {
        for (int64_t kv = 0; kv < len_kv_; kv++) {
            if (p_.visible && !p_.visible(b_, h_, q_, kv, len_q_, len_kv_)) continue;
            const Size size = size_of(p_.key.data() + (kv_head_ * p_.seq_len_kv + kv) * p_.head_dim);
            largest_key_.norm = std::max(largest_key_.norm, size.norm);
            largest_key_.largest = std::max(largest_key_.largest, size.largest);
        }
    }

    Logit scored(const ReferenceProblem::Score &score, int64_t kv, double s, double s_error) const {
        if (!score) return {s, s_error, 0};
        const auto at = [&](double x) { return score(b_, h_, q_, kv, len_q_, len_kv_, x); };
        const double logit = at(s), passed = std::max(std::abs(at(s + s_error) - logit), std::abs(at(s - s_error) - logit));
        return {logit, std::isnan(passed) ? infinity : passed, 8 * u32 * (std::abs(logit) + std::abs(s))};
    }

    void show_logit(int64_t kv, const Logit &logit) {
        pair(kv) = logit.hides() ? -infinity : logit.value;
        pair_error(kv) = logit.passed + logit.rounding;
    }

    double &pair(int64_t kv) { return result_.pairs[static_cast<size_t>(row_ * p_.seq_len_kv + kv)]; }
    double &pair_error(int64_t kv) { return result_.pairs_error[static_cast<size_t>(row_ * p_.seq_len_kv + kv)]; }

    const ReferenceProblem &p_;
    ReferenceResult &result_;
    const int64_t b_, h_, q_, len_q_, len_kv_, row_, kv_head_;
    double passed_ = 0;  ///< the largest of the row: E
    Size largest_key_;   ///< of those that the row sees
};

}  // namespace

ReferenceResult reference_attention(const ReferenceProblem &p) {
    check_problem(p);
    if (p.normalizer == Normalizer::linear) return reference_linear_attention(p);
    const int64_t rows = p.batch * p.num_heads * p.seq_len_q;
    ReferenceResult result;
    result.output.assign(static_cast<size_t>(rows * p.head_dim_v), 0.0);
    result.value_abs.assign(static_cast<size_t>(rows * p.head_dim_v), 0.0);
    result.lse.assign(static_cast<size_t>(rows), -infinity);
    result.output_error.assign(static_cast<size_t>(rows * p.head_dim_v), 0.0);
    result.lse_error.assign(static_cast<size_t>(rows), 0.0);
    result.keys_seen.assign(static_cast<size_t>(rows), 0);
    if (p.pairs != PairsOutput::none) {
        result.pairs.assign(static_cast<size_t>(rows * p.seq_len_kv), 0.0);
        result.pairs_error.assign(static_cast<size_t>(rows * p.seq_len_kv), 0.0);
    }

    for (int64_t b = 0; b < p.batch; b++) {
        const int64_t len_q = p.rows_of(b), len_kv = p.keys_of(b);
        for (int64_t h = 0; h < p.num_heads; h++)
            for (int64_t q = 0; q < len_q; q++) {
                Row row(p, result, b, h, q, len_q, len_kv);
                row.find_logits();
                row.normalize();
                row.add_values();
            }
    }
    return result;
}

}  // namespace attune

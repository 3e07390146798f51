#include "generator/reference/linear.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attune {
namespace {

constexpr double u = 0x1p-24;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double chunk_keys = 256;  // whose pairs one sum may have

/// A number, how far f32 may be from it, and the sum of the magnitudes that it is made of.
struct Bounded {
    double value = 0, error = 0, size = 0;
};

double feature_of(FeatureMap map, double x) {
    switch (map) {
    case FeatureMap::elu_plus_one: return x > 0 ? x + 1 : std::exp(x);
    case FeatureMap::relu: return x < 0 ? 0 : x;
    case FeatureMap::identity: break;
    }
    return x;
}

/// Relative error of a feature, or of exp(x).
double exp_error(double x) { return (4 + (x < 0 && x > -200 ? -x : 0)) * u; }
double feature_error(FeatureMap map, double x) { return map == FeatureMap::elu_plus_one ? exp_error(x) : 0; }

/// A key/value head of a sequence.
class State {
public:
    State(const ReferenceProblem &p, int64_t batch, int64_t kv_head)
        : p_(p), rule_(p.linear), batch_(batch), kv_head_(kv_head), head_(batch * p.num_kv_heads + kv_head), dims_(static_cast<size_t>(p.head_dim)),
          columns_(static_cast<size_t>(p.head_dim_v)), outer_(dims_ * columns_), key_sum_(dims_) {
        const size_t outer_at = static_cast<size_t>(head_) * outer_.size(), sum_at = static_cast<size_t>(head_) * dims_;
        for (size_t i = 0; i < outer_.size() && !rule_.past.empty(); i++)
            outer_[i] = {rule_.past[outer_at + i], 0, std::abs(rule_.past[outer_at + i])};
        for (size_t i = 0; i < dims_ && !rule_.past_key_sum.empty(); i++)
            key_sum_[i] = {rule_.past_key_sum[sum_at + i], 0, std::abs(rule_.past_key_sum[sum_at + i])};
    }

    void add(int64_t kv) {
        const double *key = p_.key.data() + (head_ * p_.seq_len_kv + kv) * p_.head_dim, *value = p_.value.data() + (head_ * p_.seq_len_kv + kv) * p_.head_dim_v;
        std::vector<Bounded> features(dims_);
        for (size_t d = 0; d < dims_; d++) {
            features[d] = feature(key[d], given(rule_.key_error, key + d - p_.key.data()));
        }
        if (rule_.decay) decay(kv);
        for (size_t v = 0; v < columns_; v++) {
            const Bounded change = change_of(kv, v, {value[v], given(rule_.value_error, value + v - p_.value.data()), std::abs(value[v])}, features);
            for (size_t d = 0; d < dims_; d++) {
                const Bounded &f = features[d];
                Bounded &s = outer_[d * columns_ + v];
                s.value += f.value * change.value;
                s.size += f.size * change.size;
                s.error += f.size * change.error + f.error * change.size + u * (2 * f.size * change.size + s.size);
            }
        }
        for (size_t d = 0; d < dims_; d++) {
            key_sum_[d].value += features[d].value;
            key_sum_[d].size += features[d].size;
            key_sum_[d].error += features[d].error + u * key_sum_[d].size;
        }
    }

    /// The row's output, and what the bound needs, into the result.
    void read(int64_t row, ReferenceResult &result) const {
        const double *query = p_.query.data() + row * p_.head_dim;
        std::vector<Bounded> features(dims_);
        for (size_t d = 0; d < dims_; d++) {
            const Bounded f = feature(query[d], given(rule_.query_error, query + d - p_.query.data()));
            const double scale = p_.softmax_scale;
            features[d] = {scale * f.value, scale * (f.error + 2 * u * f.size), scale * f.size};
        }
        const Bounded sum = rule_.divides_by_sum ? product(features, [&](size_t d) { return key_sum_[d]; }) : Bounded{1, 0, 1};
        for (size_t v = 0; v < columns_; v++) {
            const Bounded weighted = product(features, [&](size_t d) { return outer_[d * columns_ + v]; });
            const size_t at = static_cast<size_t>(row) * columns_ + v;
            if (sum.value == 0) {  // every weight is 0
                result.output_error[at] = sum.error > 0 ? infinity : 0;
                continue;
            }
            const double least = sum.value - sum.error;
            result.output[at] = weighted.value / sum.value;
            result.value_abs[at] = weighted.size / sum.value;
            result.output_error[at] = least > 0 ? (weighted.error + std::abs(result.output[at]) * sum.error) / least : infinity;
            if (std::isnan(sum.value)) result.output_error[at] = infinity;
        }
    }

    void store(ReferenceResult &result) const {
        const size_t outer_at = static_cast<size_t>(head_) * outer_.size(), sum_at = static_cast<size_t>(head_) * dims_;
        const double of_chunk = (chunk_keys + 8) * u;
        for (size_t i = 0; i < outer_.size(); i++) {
            result.state[outer_at + i] = outer_[i].value;
            result.state_error[outer_at + i] = outer_[i].error + of_chunk * outer_[i].size + 0x1p-120;
        }
        for (size_t i = 0; i < dims_; i++) {
            result.key_sum[sum_at + i] = key_sum_[i].value;
            result.key_sum_error[sum_at + i] = key_sum_[i].error + of_chunk * key_sum_[i].size + 0x1p-120;
        }
    }

private:
    void decay(int64_t kv) {
        for (size_t d = 0; d < dims_; d++) {
            const double g = rule_.decay(batch_, kv, kv_head_, static_cast<int>(d)), a = std::exp(g), relative = exp_error(g) + u;
            const auto shrink = [&](Bounded &s) {
                s.error = a * s.error + a * s.size * relative;
                s.value *= a;
                s.size *= a;
            };
            for (size_t v = 0; v < columns_; v++) shrink(outer_[d * columns_ + v]);
            shrink(key_sum_[d]);
        }
    }

    /// beta (value - state^T f(key)), of a state that has decayed already.
    Bounded change_of(int64_t kv, size_t v, const Bounded &value, const std::vector<Bounded> &features) const {
        if (!rule_.beta) return value;
        const Bounded held = product(features, [&](size_t d) { return outer_[d * columns_ + v]; });
        const double beta = rule_.beta(batch_, kv, kv_head_), size = value.size + held.size;
        return {beta * (value.value - held.value), std::abs(beta) * (value.error + held.error + 2 * u * size), std::abs(beta) * size};
    }

    static double given(const std::vector<double> &errors, int64_t at) { return errors.empty() ? 0 : errors[static_cast<size_t>(at)]; }

    /// Of an element that may be off by `error`: no feature is steeper than 1.
    Bounded feature(double x, double error) const {
        const double f = feature_of(rule_.feature_map, x);
        return {f, std::abs(f) * feature_error(rule_.feature_map, x) + error, std::abs(f)};
    }

    template <class At>
    Bounded product(const std::vector<Bounded> &features, const At &at) const {
        Bounded sum;
        for (size_t d = 0; d < dims_; d++) {
            const Bounded &f = features[d];
            const Bounded s = at(d);
            sum.value += f.value * s.value;
            sum.size += f.size * s.size;
            sum.error += f.size * s.error + f.error * s.size;
        }
        sum.error += (p_.head_dim + chunk_keys + 8) * u * sum.size;
        return sum;
    }

    const ReferenceProblem &p_;
    const LinearRule &rule_;
    const int64_t batch_, kv_head_, head_;
    const size_t dims_, columns_;
    std::vector<Bounded> outer_, key_sum_;  ///< (d, v), (d)
};

}  // namespace

ReferenceResult reference_linear_attention(const ReferenceProblem &p) {
    const size_t rows = static_cast<size_t>(p.batch * p.num_heads * p.seq_len_q), outputs = rows * static_cast<size_t>(p.head_dim_v);
    const size_t sums = static_cast<size_t>(p.batch * p.num_kv_heads * p.head_dim), outers = sums * static_cast<size_t>(p.head_dim_v);
    ReferenceResult result;
    for (auto *of_output : {&result.output, &result.value_abs, &result.output_error}) of_output->assign(outputs, 0.0);
    result.lse.assign(rows, -infinity);
    result.lse_error.assign(rows, 0.0);
    result.keys_seen.assign(rows, 0);
    for (auto *of_state : {&result.state, &result.state_error}) of_state->assign(outers, 0.0);
    for (auto *of_sum : {&result.key_sum, &result.key_sum_error}) of_sum->assign(sums, 0.0);

    const int64_t group = p.num_heads / p.num_kv_heads, past_keys = p.linear.past.empty() ? 0 : 1;
    for (int64_t b = 0; b < p.batch; b++) {
        const int64_t len_q = p.rows_of(b), len_kv = p.keys_of(b);
        for (int64_t kv_head = 0; kv_head < p.num_kv_heads; kv_head++) {
            State state(p, b, kv_head);
            int64_t added = 0;
            const auto add_before = [&](int64_t end) {
                for (; added < end; added++) state.add(added);
            };
            if (!p.linear.is_causal) add_before(len_kv);
            for (int64_t q = 0; q < len_q; q++) {
                if (p.linear.is_causal) add_before(q + len_kv - len_q + 1);
                for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
                    const int64_t row = (b * p.num_heads + h) * p.seq_len_q + q;
                    result.keys_seen[static_cast<size_t>(row)] = added + past_keys;
                    result.visible_pairs += added;
                    if (added + past_keys > 0) state.read(row, result);
                }
            }
            add_before(len_kv);
            state.store(result);
        }
    }
    return result;
}

}  // namespace attune

#pragma once
#include "generator/spec/spec.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace attune {

/// What linear attention adds to a problem (Normalizer::linear): the recurrence of each key/value head, key by key, a = exp(decay):
///   change = value, or with beta beta (value - (a state)^T f(key))     state = a state + f(key) change^T     key_sum = a key_sum + f(key)
///   output = scale f(query)^T state, or divided by its sum f(query)^T state / f(query)^T key_sum
struct LinearRule {
    FeatureMap feature_map = FeatureMap::elu_plus_one;
    bool divides_by_sum = true;
    bool is_causal = false;  ///< row i reads the state after key i + length_kv - length_q; else after all keys
    std::function<double(int64_t batch, int64_t kv, int64_t kv_head, int d)> decay = {};  ///< empty: 0
    std::function<double(int64_t batch, int64_t kv, int64_t kv_head)> beta = {};          ///< empty: no correction
    std::vector<double> query_error = {}, key_error = {}, value_error = {};  ///< as query, key and value: how far the kernel's may be from them; or empty: they are these
    std::vector<double> past = {}, past_key_sum = {};  ///< (batch, kv_heads, head_dim, head_dim_v) and (batch, kv_heads, head_dim), or empty: 0
};

/// One attention problem in double, dense arrays (batch, heads, seq, dim), C order. It shares no code with the kernels.
struct ReferenceProblem {
    int64_t batch = 1, num_heads = 1, num_kv_heads = 1, seq_len_q = 0, seq_len_kv = 0;
    int head_dim = 0, head_dim_v = 0;
    double softmax_scale = 1;
    std::vector<double> query, key, value;        ///< already rounded to the kernel's dtype; keys and values of a cache of integers: what these stand for
    std::vector<double> query_terms;              ///< of queries that the kernel turns (rope.h): as query, |x cos| + |y sin|; or empty
    std::vector<int32_t> lengths_q, lengths_kv;   ///< per sequence, or empty: all
    /// true: key kv is visible to row q. Lengths are the sequence's own. Empty function: all are visible.
    std::function<bool(int64_t batch, int64_t head, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv)> visible;
    using Score =
        std::function<double(int64_t batch, int64_t head, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv, double s)>;
    Score score;         ///< the logit, from the scaled product s. Empty: s itself
    Score biased_score;  ///< the same without its soft caps, for logits_biased. Empty: as score
    Normalizer normalizer = Normalizer::softmax;
    std::vector<double> sink;  ///< with softmax: a logit of each head that takes weight and has no value; or empty
    LinearRule linear;
    PairsOutput pairs = PairsOutput::none;
    ComputeDType compute = ComputeDType::f32;  ///< what the kernel's products may be, for the bound
    bool integer_queries = false;              ///< query is rounded to 16 bits of its row's largest element: for the bound
    bool integer_values = false;               ///< values are integers times scales: for the bound
    bool integer_weights = false;              ///< weights that meet them are integers too, or two bf16 each: for the bound

    /// Rows and keys in use of a sequence.
    int64_t rows_of(int64_t batch_index) const { return length(lengths_q, batch_index, seq_len_q); }
    int64_t keys_of(int64_t batch_index) const { return length(lengths_kv, batch_index, seq_len_kv); }

private:
    static int64_t length(const std::vector<int32_t> &lengths, int64_t b, int64_t all) {
        return lengths.empty() ? all : std::clamp<int64_t>(lengths[static_cast<size_t>(b)], 0, all);
    }
};

/// The result in double, and per row and element what the error bound needs (reliability: the derived bound).
struct ReferenceResult {
    std::vector<double> output;       ///< (batch, heads, seq_q, head_dim_v)
    std::vector<double> lse;          ///< (batch, heads, seq_q); of a row that sees nothing: -inf, or its sink. Sigmoid has none: -inf
    std::vector<int64_t> keys_seen;   ///< (batch, heads, seq_q)
    /// What f32 may do to lse (batch, heads, seq_q), and to output (as output), through the logits. u = 2^-24.
    ///   without a score  E and 2 E sum p |v|, with E the largest E_s = u (head_dim + 8) scale sum_d |q_d k_d| of the keys it sees
    ///   with a score     E + sum p r and 2 E sum p |v| + sum p r |v| + (sum p r) sum p |v|, with
    ///                    E = the largest max(|score(s + E_s) - score(s)|, |score(s - E_s) - score(s)|): the score's slope, and
    ///                    r = 8 u (|score(s)| + |s|) of each key: the score's own few operations, whose terms are taken to be no larger
    ///                    than what goes in and comes out. Right for sums such as ALiBi's and for soft caps, not where large terms cancel.
    /// Queries that the kernel turns add 4 u scale sum_d query_terms_d |k_d| to E_s: a sine and a cosine rounded to
    /// float, two products and a sum.
    /// Values that are integers add 2^-118 (1 + |v|) of each key it sees to output: many are exactly 0, and then what underflows can be all there
    /// is. A weight is lost below 2^-126, and so is its product with a scale, which meets integers up to 255.
    /// A query of integers adds scale max|q| / 65278 sum_d |k_d| to E_s: it is rounded to 1/32639 of its largest element.
    /// Weights that meet integers of values add 2^-17 sum p |v| + 2^-24 n max p V to output, n the number of keys it sees and V the largest |v| of a key:
    /// as two bf16 they lose 2^-18 each, as integers of 1/8355711 of the largest product of a weight and a scale half a unit.
    /// Products of smaller types add to E_s. Their roundings are taken to be independent (Higham & Mary 2019, doi:10.1137/18M1226312):
    ///   f16  2 u16 sqrt(head_dim) scale sum_d |q_d k_d|, u16 = 2^-11; and to output 2^-24 |v| + 2^-25 of each key it sees: what
    ///        subnormal weights and products lose, the sum of weights being at least 1/2.
    ///   i8   six standard deviations of rounding q to max|q| / 127 and k - m to max|k - m| / 127, m some mean of keys that the row sees:
    ///        6 / (127 sqrt(12)) scale (|q|_2 K + max|q| N), K = max|k| + the largest such of the keys it sees, N the same of |k|_2.
    std::vector<double> lse_error, output_error;
    std::vector<double> value_abs;    ///< as output: sum_kv p |v|
    std::vector<double> pairs;        ///< (batch, heads, seq_q, seq_kv), or empty; 0 outside the lengths, hidden logits are -inf
    std::vector<double> pairs_error;  ///< as pairs: how far a kernel may be, before its result is rounded
    int64_t visible_pairs = 0;        ///< summed over batch and heads
    /// Of linear attention: after the last key, shaped as LinearRule::past, and how far f32 may be from it.
    std::vector<double> state, state_error, key_sum, key_sum_error;
};

/// Attention by its definition.
///   softmax           p = exp(logit) / (sum exp(logit) + exp(sink)),  lse = log of the denominator
///   softmax_plus_one  the same with a sink of 0
///   sigmoid           p = 1 / (1 + exp(-logit))
///   relu              p = max(logit, 0)
///   linear            LinearRule; without lse
/// Rows at or after lengths_q: output 0, lse -inf. A logit below -1e29 is hidden.
ReferenceResult reference_attention(const ReferenceProblem &problem);

/// What a kernel rounds to.
struct Precision {
    int bits;                    ///< significant bits of the output type: 24, 11, 8
    int min_exponent;            ///< its smallest normal exponent: -126, -14, -126
    double weight_roundoff = 0;  ///< u_p, what weights and sums of weighted values are rounded by; 0: they stay f32
    double sum_roundoff = 0;     ///< u_l, the same of the weights that lse is the sum of
};
/// `rounds_weights`: to the type of output itself. Products of f16 have weights within u_l = 3 u16 and sums of 64 keys, u_p = u_l + 8 u16.
Precision precision_of(const KernelTypes &types, bool rounds_weights = false);

/// How far a kernel may be from the reference.
///   |O - O64| <= ulp_out(O64) / 2 + (8 u + 2 u_p) sum p|v| + output_error + 2^-120,  u = 2^-24
///   |lse - lse64| <= lse_error + 8 u max(1, |lse64|) + u_l + 2^-120
struct ErrorShare {
    double output = 0;        ///< largest |O - O64| / bound; infinity where one is NaN or infinite and the other is not
    double lse = 0;
    double r = 0;             ///< largest |O - O64| / (u_out * sum p|v|)
    double relative_rms = 0;  ///< sqrt(sum |O - O64|^2 / sum |O64|^2), of the elements that are finite in both
    int64_t worst_index = -1; ///< flat index into output of the largest share
};
ErrorShare error_share(const ReferenceProblem &problem, const ReferenceResult &expected, const std::vector<double> &output,
                       const std::vector<float> &lse, const Precision &precision);

/// Largest |pairs - pairs64| / (ulp_out / 2 + pairs_error + 2^-120).
double pairs_share(const ReferenceResult &expected, const std::vector<double> &pairs, const Precision &precision);

}  // namespace attune

#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace attune {

/// One attention problem in double, dense arrays (batch, heads, seq, dim), C order. It shares no code with the kernels.
struct ReferenceProblem {
    int64_t batch = 1, num_heads = 1, num_kv_heads = 1, seq_len_q = 0, seq_len_kv = 0;
    int head_dim = 0, head_dim_v = 0;
    double softmax_scale = 1;
    std::vector<double> query, key, value;        ///< already rounded to the kernel's dtype
    std::vector<int32_t> lengths_q, lengths_kv;   ///< per sequence, or empty: all
    /// true: key kv is visible to row q. Lengths are the sequence's own. Empty function: all are visible.
    std::function<bool(int64_t batch, int64_t head, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv)> visible;
};

/// The result in double, and per row and element what the error bound needs (reliability: the derived bound).
struct ReferenceResult {
    std::vector<double> output;       ///< (batch, heads, seq_q, head_dim_v)
    std::vector<double> lse;          ///< (batch, heads, seq_q); -inf for a row that sees nothing
    std::vector<double> score_abs;    ///< (batch, heads, seq_q): S_abs = max over visible kv of scale * sum_d |q_d k_d|
    std::vector<double> value_abs;    ///< as output: sum_kv p |v|
    int64_t visible_pairs = 0;        ///< summed over batch and heads
};

/// Attention by its definition. Rows at or after lengths_q: output 0, lse -inf. A logit below -1e29 is hidden.
ReferenceResult reference_attention(const ReferenceProblem &problem);

/// How far a kernel may be from the reference.
///   |O - O64| <= ulp_out(O64) / 2 + (8 u + 2 E_s) sum p|v| + 2^-120,  E_s = u (head_dim + 8) S_abs,  u = 2^-24
///   |lse - lse64| <= E_s + 8 u max(1, |lse64|) + 2^-120
/// bits_out: significant bits of the output type (24, 11, 8), min_exponent its smallest normal exponent (-126, -14, -126).
struct ErrorShare {
    double output = 0;        ///< largest |O - O64| / bound; infinity where one is NaN or infinite and the other is not
    double lse = 0;
    double r = 0;             ///< largest |O - O64| / (u_out * sum p|v|)
    int64_t worst_index = -1; ///< flat index into output of the largest share
};
ErrorShare error_share(const ReferenceProblem &problem, const ReferenceResult &expected, const std::vector<double> &output,
                       const std::vector<float> &lse, int bits_out, int min_exponent);

}  // namespace attune

#include "host_loops.h"

#include <cmath>

std::vector<double> host_attention(const Sizes &s, bool is_causal, const std::vector<double> &query, const std::vector<double> &key,
                                   const std::vector<double> &value) {
    std::vector<double> output(query.size());
    for (int h = 0; h < s.num_heads; ++h)
        for (int i = 0; i < s.seq_len_q; ++i) {
            const size_t row = (size_t(h) * s.seq_len_q + i) * s.head_dim, keys = size_t(h / (s.num_heads / s.num_kv_heads)) * s.seq_len_kv;
            double total = 0;
            for (int j = 0; j < (is_causal ? i + 1 : s.seq_len_kv); ++j) {
                const size_t at = (keys + j) * s.head_dim;
                double dot = 0;
                for (int d = 0; d < s.head_dim; ++d)
                    dot += query[row + d] * key[at + d];
                const double weight = std::exp(dot / std::sqrt(double(s.head_dim)));
                total += weight;
                for (int d = 0; d < s.head_dim; ++d)
                    output[row + d] += weight * value[at + d];
            }
            for (int d = 0; d < s.head_dim; ++d)
                output[row + d] /= total;
        }
    return output;
}

// Attention as loops in double, to compare with.
#pragma once

#include <vector>

struct Sizes {
    int num_heads, num_kv_heads, seq_len_q, seq_len_kv, head_dim;
};

// Tensors are (head_dim, seq_len, heads), innermost first and dense.
std::vector<double> host_attention(const Sizes &sizes, bool is_causal, const std::vector<double> &query, const std::vector<double> &key,
                                   const std::vector<double> &value);

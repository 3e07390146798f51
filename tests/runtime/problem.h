/// A call with its tensors, filled with random numbers, and its answer by plain loops in double.
#pragma once
#include "attune/attention.h"
#include "fake_kernel.h"

#include <vector>

/// q_abs - kv >= 0.
inline bool is_causal(const Pair &p) {
    return p.kv <= p.q + p.seq_len_kv - p.seq_len_q;
}

struct Problem {
    int64_t batch = 2, heads = 4, kv_heads = 2, rows = 6, keys = 7;  ///< rows, keys: of all sequences together where packed
    std::vector<int32_t> lengths_q, lengths_kv, cu_q, cu_kv;
    Mask visible;     ///< none: every pair
    int64_t pad = 0;  ///< elements between rows, so that strides are not those of dense tensors

    attune_attention_args args{};
    attune_exec exec{};
    std::vector<float> query, key, value, output, lse, pairs;
    static constexpr float untouched = -7777;

    /// Allocates, fills and describes the tensors; call it after the fields above are set.
    void build();
    /// Asks for the matrix of pairs too; after build().
    void ask_pairs();
    /// Gives the call a workspace of just the size that it asks for.
    void give_workspace(const attune_kernel *kernel);
    /// give_workspace, then runs.
    attune_status run(const attune_kernel *kernel);
    /// Compares output, lse and the weights (where asked for) with the equation, and all elements between rows with what was there before.
    void expect_right(bool with_lse = true) const;
    void expect_untouched() const;

    ~Problem();

private:
    void *workspace_ = nullptr;
};

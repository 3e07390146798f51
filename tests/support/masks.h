#pragma once
#include <cstdint>

/// Masks as loops see them, written by hand: they check the expression language and the kernels, and share no code with either.
/// true: key kv is visible to row q. Lengths are the sequence's own.
namespace attune::test {

/// Aligned at the end: the last query sees every key.
inline const auto visible_causal = [](int64_t, int64_t, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv) {
    return kv <= q + (seq_len_kv - seq_len_q);
};

/// Aligned at the start: the first query sees the first key only.
inline const auto visible_causal_top_left = [](int64_t, int64_t, int64_t q, int64_t kv, int64_t, int64_t) { return kv <= q; };

}  // namespace attune::test

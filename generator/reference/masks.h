#pragma once
#include "generator/spec/spec.h"

#include <cstdint>
#include <functional>

/// The masks of a specification as loops see them, written by hand: no code is shared with the kernels. true: key kv is visible to
/// row q. Lengths are the sequence's own.
namespace attune {

using VisibleFunction = std::function<bool(int64_t batch, int64_t head, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv)>;

/// Aligned at the end: the last query sees every key.
inline const auto visible_causal = [](int64_t, int64_t, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv) {
    return kv <= q + (seq_len_kv - seq_len_q);
};

/// Aligned at the start: the first query sees the first key only.
inline const auto visible_causal_top_left = [](int64_t, int64_t, int64_t q, int64_t kv, int64_t, int64_t) { return kv <= q; };

/// For ReferenceProblem::visible; empty for Mask::none.
inline VisibleFunction visible_function(Mask mask) {
    switch (mask) {
    case Mask::causal: return visible_causal;
    case Mask::causal_top_left: return visible_causal_top_left;
    case Mask::none: break;
    }
    return {};
}

}  // namespace attune

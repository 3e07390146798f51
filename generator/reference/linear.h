#pragma once
#include "generator/reference/reference.h"

namespace attune {

/// The recurrence of LinearRule, key by key, with what f32 may do to it in any order of its sums:
///   a(x)  = (4 + |x|) u relative, of exp(x) and so of a feature and of exp(decay)
///   E(v, d) of the state grows by a key's own roundings and by u sum of magnitudes, A(v, d) = sum_kv |f(key)| |change|, decayed as the state is
///   output: scale sum_d |f(query_d)| (E(v, d) + (head_dim + chunk + 8) u A(v, d)); a chunk is at most 256 keys, summed pair by pair
ReferenceResult reference_linear_attention(const ReferenceProblem &problem);

}  // namespace attune

/// Attention in double, from the equation, and how far a right result may be from it.
#pragma once
#include "attention_part.h"

/// Largest share of the error bound that an element of `found` uses, of all tokens; above 1 is wrong. NaN counts as infinity.
/// The bound is that of Attune's reference (generator/reference) and what parts add, in units u = 2^-24:
///   logit   E = (head_dim + 8) u scale sum_d |q k|, at the row's worst key; it makes weights wrong by 2 E
///   lse     E + u (8 + 2 L), where L = largest |logit| + log(keys) is above each |lse| that is stored
///   output  (2 E + u (12 + chunks + 4 L)) sum_kv p |v|: kernel and stores, the sums of a merge, and the lse of parts
double share_of_bound(const std::vector<float> &query, const std::vector<float> &key, const std::vector<float> &value, int64_t tokens,
                      int chunks, const Part &found);

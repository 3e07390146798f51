/// Attention of a chunk of queries over a chunk of keys, and the merge of such parts: all that this program asks of Attune.
#pragma once
#include "problem.h"

/// Of the queries `rows`. Empty vectors: no key of the chunk is visible.
struct Part {
    std::vector<float> output;  ///< (token, head, head_dim)
    std::vector<float> lse;     ///< (token, head)
};

/// Causal attention of `query`, tokens `rows`, over `key` and `value`, tokens `keys`. Throws std::runtime_error with Attune's message.
Part attend(const float *query, Tokens rows, const float *key, const float *value, Tokens keys);

/// Attention over the keys of all parts. Bits depend on the parts and their order, not on when they were computed.
Part merge(const std::vector<Part> &parts, Tokens rows);

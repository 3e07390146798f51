#pragma once
#include "generator/import/imported_node.h"
#include "generator/import/onnx_attention.h"

namespace attune {

/// An Attention node as Attune computes it. Around the kernel the caller splits heads (where inputs have rank 3) and joins the past to key
/// and value.
struct ImportedAttention : ImportedNode {
    OnnxAttention node;
    int64_t num_heads = 0, num_kv_heads = 0;  ///< of inputs of rank 3; 0: they have rank 4, and heads of their own
};

/// The general rule from attributes, types and shapes to specifications:
///   score = [softcap(s, softcap)] [+ bias]           bias: a float attn_mask, -inf hides
///   mask  = [causal] && [window] && [mask_bits]      mask_bits: a bool attn_mask
/// with query i at position i + past_length, i + nonpad_kv_seqlen - seq_len_q, or i (the first key is position 0).
ImportedAttention import_attention(const OnnxAttention &node);

}  // namespace attune

#pragma once
#include "generator/import/imported_node.h"
#include "generator/import/onnx_linear.h"

namespace attune {

/// A LinearAttention node as Attune computes it. Around the kernel the caller splits heads, also those of a decay for each head_dim.
struct ImportedLinear : ImportedNode {
    OnnxLinear node;
    int64_t num_heads = 0, num_kv_heads = 0;
};

/// normalizer "linear" of identity features, causal; a parameter `decay` of the gated rules, a parameter `beta` of the delta rules.
ImportedLinear import_linear(const OnnxLinear &node);

}  // namespace attune

/// A layer's call, resolved: the calls of its parts, and where their results lie in the workspace.
#ifndef ATTUNE_SRC_LAYER_LAYER_H
#define ATTUNE_SRC_LAYER_LAYER_H

#include "projection.h"

/// Packed weights lie one after the other: token, context, output projection, then the norms' as f32. Bytes, 64-byte aligned.
typedef struct attune_layer_packing {
    size_t context, output, norms, total;
} attune_layer_packing;
attune_layer_packing attune_find_packing(const attune_layer *layer);

typedef struct attune_layer_call {
    attune_projection_args tokens, context, output;  ///< context: of a cross layer alone
    attune_attention_args attention;
    const float *norms;  ///< packed: of queries, then of keys; where the layer norms
    size_t workspace_bytes;
} attune_layer_call;

/// Heads of queries and keys, as the projections left them, normed and turned in place.
attune_status attune_finish_heads(const attune_layer *layer, const attune_layer_args *args, const attune_layer_call *call);

/// Counts, strides and lengths; looks at no tensor.
attune_status attune_check_layer(const attune_layer *layer, const attune_layer_args *args);
/// Pointers.
attune_status attune_check_layer_memory(const attune_layer *layer, const attune_layer_args *args, size_t workspace_bytes);

#endif

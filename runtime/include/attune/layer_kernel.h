/// What generated projections and layers and the runtime know of each other. Applications need attune/layer.h only.
#ifndef ATTUNE_LAYER_KERNEL_H
#define ATTUNE_LAYER_KERNEL_H

#include "attune/kernel.h"
#include "attune/layer.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ATTUNE_LAYER_ABI 3

/// One target of a projection. Packed weights: chunks of block_inputs inputs, of which each panel of `panel` outputs has a piece, one after
/// the other, in which each step of step_inputs inputs has its weights side by side, an output's next to each other, zeros where there are
/// none; then the bias as f32, whole panels of it, 0 where there are no more.
/// project: the address of a pointer to an attune_scratch, then buffers: input (in_features, rows), weights (panel, steps of a chunk, panels,
/// chunks), of uint32 where a step is a pair, bias (outputs) f32 where there is one -> output (outputs, rows). At most block_rows rows and
/// block_columns outputs, from whole panels.
/// project_row: the same for one row, whose bits are equal; null: project takes it too.
typedef struct attune_projection_variant {
    const char *target;  ///< "avx2"
    uint32_t features;   ///< all of them are needed
    int32_t panel, block_inputs, chunks;
    int32_t step_inputs;  ///< 1, or 2: pairs of 16-bit elements, the first in the low half; block_inputs is a multiple
    int32_t block_rows, block_columns;
    int32_t tile_rows;  ///< rows that are computed together: a call of fewer takes as long
    attune_task_fn project, project_row;
    int64_t scratch_bytes;  ///< per thread
} attune_projection_variant;

struct attune_projection {
    uint32_t abi;  ///< ATTUNE_LAYER_ABI
    uint32_t num_variants;
    uint8_t type_code, type_bits;  ///< as in attune_buffer
    uint16_t reserved;
    int32_t in_features, out_features, has_bias;
    const char *name;                           ///< the C function's name
    const char *id;                             ///< attune_projection_f32_384x1536_<hash8>
    const char *dtype;                          ///< "f32", "f16" or "bf16"
    const char *activation;                     ///< "none", "gelu", …
    const attune_projection_variant *variants;  ///< best first; the last is the baseline
    const attune_projection_variant *chosen;    ///< set once by the dispatcher
};

/// The parts of a layer.
struct attune_layer {
    uint32_t abi;  ///< ATTUNE_LAYER_ABI
    int32_t d_model, d_context;  ///< d_context 0: not a cross layer
    int32_t heads, kv_heads;
    int32_t reserved;                             ///< 0
    const char *name;                             ///< the C function's name
    const attune_projection *token_projection;    ///< to queries, keys and values side by side, of a cross layer to queries
    const attune_projection *context_projection;  ///< to keys and values side by side; null but for a cross layer
    const attune_kernel *attention;
    const attune_projection *output_projection;
    attune_rope rope;            ///< of queries and keys
    double norm_epsilon;         ///< of queries and keys; 0: they are not normed. Else packed weights end with head_dim f32 of each
};

#ifdef __cplusplus
}
#endif
#endif

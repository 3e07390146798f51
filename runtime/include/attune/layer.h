/// Dense layers and whole multi-head attention layers, compiled ahead of time by Attune: the C interface of generated projections and layers.
///   projection  y(n, r) = activation(bias(n) + sum_k weight(k, n) x(k, r))
///   layer       y = attention(q, k, v) W_o + b_o                                     c: x itself, or the context of a cross layer
///               q = x W_q + b_q, k = c W_k + b_k, v = c W_v + b_v; heads of q and k normed and turned where the layer says so
/// Weights are packed once, for the instruction set that runs; a call then neither allocates, prints nor aborts, and is thread-safe as long
/// as no two calls share a workspace or an output. Sums are f32, and a row of y depends on that row of x (of a layer: its sequence) alone.
/// Vaswani et al. 2017, section 3.2.2.
#ifndef ATTUNE_LAYER_H
#define ATTUNE_LAYER_H

#include "attune/attention.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Generated: <name>_kernel of a projection, <name>_layer of a layer.
typedef struct attune_projection attune_projection;
typedef struct attune_layer attune_layer;

/// What a projection was generated for. Texts are empty and numbers 0 where it is null or of another version of Attune.
typedef struct attune_projection_info {
    const char *name;        ///< the C function's name
    const char *id;          ///< attune_projection_f32_384x1536_<hash8>
    const char *dtype;       ///< "f32", "f16" or "bf16"
    const char *activation;  ///< "none", "relu", "gelu", "silu"
    int32_t in_features, out_features;
    int32_t has_bias;
} attune_projection_info;
attune_projection_info attune_projection_describe(const attune_projection *projection);

/// One weight matrix as frameworks keep it (PyTorch's nn.Linear): row n holds the weights of output n.
typedef struct attune_weights {
    const void *weight;  ///< (in_features, outputs), innermost first, of the kernel's element type
    const void *bias;    ///< (outputs), of that type too; null where the kernel has none
    int64_t outputs;     ///< rows of weight
    int64_t stride;      ///< of a row, in elements; 0: in_features
} attune_weights;

/// Bytes of packed weights, 64-byte aligned; 0 where no target of the projection runs on this CPU (attune_last_error tells).
size_t attune_projection_packed_size(const attune_projection *projection);
/// Lays weights out for attune_projection_run: matrices whose outputs stand side by side, in order; their `outputs` add up to out_features.
/// What is packed serves this process's target alone: do not store it. packed: attune_projection_packed_size bytes, 64-byte aligned. Where models
/// exceed the caches, put all their packed weights into huge pages (madvise): few rows then take three quarters of the time.
/// Errors: null_pointer, shape_mismatch, invalid_argument, misaligned, workspace_too_small, unsupported_cpu; packed is then untouched.
attune_status attune_projection_pack(const attune_projection *projection, const attune_weights *parts, int32_t num_parts, void *packed,
                                     size_t packed_size);

#define ATTUNE_PROJECTION_ARGS_VERSION 1

/// One call of a projection. Zero-initialise, set `size` and `version`, then the rest. Strides are in elements, (batch, row), features are
/// contiguous; both 0: dense. rows and batch are at most 2^28, a tensor spans at most 2^31 - 1 elements.
typedef struct attune_projection_args {
    uint32_t size;            ///< sizeof(attune_projection_args)
    uint32_t version;         ///< ATTUNE_PROJECTION_ARGS_VERSION
    const void *input;        ///< (in_features, rows, batch), innermost first
    void *output;             ///< (out_features, rows, batch); overlaps no input
    const void *weights;      ///< what attune_projection_pack made
    int64_t batch, rows;
    int64_t stride_input[2];
    int64_t stride_output[2];
    void *workspace;          ///< <name>_workspace_size(args) bytes, 64-byte aligned
    size_t workspace_size;    ///< bytes of workspace
    const attune_exec *exec;  ///< null: the defaults
} attune_projection_args;

/// Bytes of workspace that the call needs; tensor pointers are not read. 0 also where args are in error (attune_last_error tells).
size_t attune_projection_workspace_size(const attune_projection *projection, const attune_projection_args *args);
/// Errors: invalid_argument, null_pointer, struct_size, shape_mismatch, misaligned, workspace_too_small, index_range, unsupported_cpu; output
/// is then untouched.
attune_status attune_projection_run(const attune_projection *projection, const attune_projection_args *args);
/// The target ("avx2") that it runs with on this machine, or null where none fits.
const char *attune_projection_target(const attune_projection *projection);

/// What a layer was generated for, and its parts. As attune_projection_info; parts are null there too.
typedef struct attune_layer_info {
    const char *name;
    const char *dtype;
    int32_t d_model, d_context;  ///< elements of a token; d_context 0: not a cross layer
    int32_t heads, kv_heads, head_dim, head_dim_v;
    int32_t has_rope, has_qk_norm;
    const attune_projection *token_projection;    ///< to queries, keys and values side by side, of a cross layer to queries
    const attune_projection *context_projection;  ///< to keys and values side by side; null but for a cross layer
    const attune_kernel *attention;
    const attune_projection *output_projection;
} attune_layer_info;
attune_layer_info attune_layer_describe(const attune_layer *layer);

/// The weights of a layer. A fused matrix is given as three parts of it: pointers to its rows.
typedef struct attune_layer_weights {
    attune_weights query;   ///< (d_model, heads * head_dim)
    attune_weights key;     ///< (d_model or d_context, kv_heads * head_dim)
    attune_weights value;   ///< (d_model or d_context, kv_heads * head_dim_v)
    attune_weights output;  ///< (heads * head_dim_v, d_model)
    const void *query_norm, *key_norm;  ///< (head_dim) of layers with qk_norm, of the element type; else null
} attune_layer_weights;

size_t attune_layer_packed_size(const attune_layer *layer);
/// As attune_projection_pack. Heads are in the order of the rows: head h has rows h * head_dim … of its matrix.
attune_status attune_layer_pack(const attune_layer *layer, const attune_layer_weights *weights, void *packed, size_t packed_size);

#define ATTUNE_LAYER_ARGS_VERSION 1

/// One call of a layer. Zero-initialise, set `size` and `version`, then the rest. Strides as in attune_projection_args.
typedef struct attune_layer_args {
    uint32_t size;             ///< sizeof(attune_layer_args)
    uint32_t version;          ///< ATTUNE_LAYER_ARGS_VERSION
    const void *input;         ///< (d_model, seq_len, batch), innermost first
    const void *context;       ///< (d_context, seq_len_context, batch) of a cross layer; else null
    void *output;              ///< (d_model, seq_len, batch); overlaps no input
    const void *weights;       ///< what attune_layer_pack made
    int64_t batch, seq_len;
    int64_t seq_len_context;   ///< 0 where there is no context
    int64_t stride_input[2], stride_context[2], stride_output[2];
    const int32_t *lengths;          ///< (batch) tokens in use of each sequence, or null: all. Others are seen by none; their output is b_o
    const int32_t *lengths_context;  ///< (batch) the same of the context
    const int32_t *positions;        ///< (seq_len, batch) of layers with rope: what tokens are turned by; null: 0, 1, 2, …
    int64_t stride_positions;        ///< of a sequence, in elements; 0: the same for all
    const void *params;              ///< the attention's <name>_attention_params, or null where it has none
    void *workspace;                 ///< <name>_workspace_size(args) bytes, 64-byte aligned
    size_t workspace_size;           ///< bytes of workspace
    const attune_exec *exec;         ///< null: the defaults
} attune_layer_args;

size_t attune_layer_workspace_size(const attune_layer *layer, const attune_layer_args *args);
attune_status attune_layer_run(const attune_layer *layer, const attune_layer_args *args);

#ifdef __cplusplus
}
#endif
#endif

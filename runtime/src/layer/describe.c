/// What projections and layers were generated for.
#include "attune/layer_kernel.h"

#include <stddef.h>

attune_projection_info attune_projection_describe(const attune_projection *p) {
    if (!p || p->abi != ATTUNE_LAYER_ABI)
        return (attune_projection_info){.name = "", .id = "", .dtype = "", .activation = ""};
    return (attune_projection_info){.name = p->name,
                                    .id = p->id,
                                    .dtype = p->dtype,
                                    .activation = p->activation,
                                    .in_features = p->in_features,
                                    .out_features = p->out_features,
                                    .has_bias = p->has_bias};
}

attune_layer_info attune_layer_describe(const attune_layer *layer) {
    if (!layer || layer->abi != ATTUNE_LAYER_ABI)
        return (attune_layer_info){.name = "", .dtype = ""};
    return (attune_layer_info){.name = layer->name,
                               .dtype = layer->token_projection->dtype,
                               .d_model = layer->d_model,
                               .d_context = layer->d_context,
                               .heads = layer->heads,
                               .kv_heads = layer->kv_heads,
                               .head_dim = layer->attention->info.head_dim,
                               .head_dim_v = layer->attention->info.head_dim_v,
                               .has_rope = layer->rope.frequencies != NULL,
                               .has_qk_norm = layer->norm_epsilon != 0,
                               .token_projection = layer->token_projection,
                               .context_projection = layer->context_projection,
                               .attention = layer->attention,
                               .output_projection = layer->output_projection};
}

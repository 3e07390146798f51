/// A layer: projections around attention. Queries, keys and values lie side by side as the projection leaves them, a row a token; attention
/// reads them by strides and leaves its heads side by side, a row a token too, as the projection back wants them.
#include "layer.h"
#include "element.h"
#include "status.h"

#include <stdbool.h>
#include <string.h>

static size_t rounded(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

attune_layer_packing attune_find_packing(const attune_layer *layer) {
    attune_layer_packing packing = {.context = attune_projection_packed_size(layer->token_projection)};
    packing.output = packing.context + (layer->context_projection ? attune_projection_packed_size(layer->context_projection) : 0);
    packing.norms = packing.output + attune_projection_packed_size(layer->output_projection);
    packing.total = packing.norms + (layer->norm_epsilon ? rounded(2 * sizeof(float) * (size_t)layer->attention->info.head_dim) : 0);
    return packing;
}

size_t attune_layer_packed_size(const attune_layer *layer) {
    const attune_projection_variant *variant;
    if (!layer || attune_choose_projection(layer->token_projection, &variant) ||
        attune_choose_projection(layer->output_projection, &variant))
        return 0;
    return attune_find_packing(layer).total;
}

/// A matrix of the weights, whose outputs the layer knows.
static attune_weights of_outputs(attune_weights weights, int64_t outputs) {
    weights.outputs = outputs;
    return weights;
}

attune_status attune_layer_pack(const attune_layer *layer, const attune_layer_weights *weights, void *packed, size_t packed_size) {
    if (!layer || !weights || !packed)
        return attune_fail(ATTUNE_NULL_POINTER, "%s is null; pass it", !layer ? "layer" : !weights ? "weights" : "packed");
    if (!layer->norm_epsilon != !weights->query_norm || !layer->norm_epsilon != !weights->key_norm)
        return attune_fail(layer->norm_epsilon ? ATTUNE_NULL_POINTER : ATTUNE_INVALID_ARGUMENT,
                           layer->norm_epsilon ? "query_norm or key_norm is null but layer %s has qk_norm; pass head_dim elements of each"
                                               : "query_norm or key_norm is given but layer %s has no qk_norm; leave them null",
                           layer->name);
    const size_t needed = attune_layer_packed_size(layer);
    if (!needed)
        return ATTUNE_UNSUPPORTED_CPU;  // which the text of the last error names
    if (packed_size < needed)
        return attune_fail(ATTUNE_WORKSPACE_TOO_SMALL, "packed_size is %zu but %s needs %zu bytes; allocate what packed_size returns",
                           packed_size, layer->name, needed);
    const attune_layer_packing packing = attune_find_packing(layer);
    const attune_kernel_info *info = &layer->attention->info;
    const attune_weights query = of_outputs(weights->query, (int64_t)layer->heads * info->head_dim);
    const attune_weights key = of_outputs(weights->key, (int64_t)layer->kv_heads * info->head_dim);
    const attune_weights value = of_outputs(weights->value, (int64_t)layer->kv_heads * info->head_dim_v);
    const attune_weights all[] = {query, key, value}, output = of_outputs(weights->output, layer->d_model);
    uint8_t *at = packed;
    attune_status status = ATTUNE_OK;
    if (layer->context_projection) {
        status = attune_projection_pack(layer->token_projection, all, 1, at, packing.context);
        if (!status)
            status = attune_projection_pack(layer->context_projection, all + 1, 2, at + packing.context, packing.output - packing.context);
    } else {
        status = attune_projection_pack(layer->token_projection, all, 3, at, packing.context);
    }
    if (!status)
        status = attune_projection_pack(layer->output_projection, &output, 1, at + packing.output, packing.norms - packing.output);
    if (!status && layer->norm_epsilon) {
        const attune_element *element = attune_find_element(layer->token_projection->dtype);
        float *norms = (float *)(void *)(at + packing.norms);
        memset(norms, 0, packing.total - packing.norms);
        element->add(norms, 1, weights->query_norm, info->head_dim);
        element->add(norms + info->head_dim, 1, weights->key_norm, info->head_dim);
    }
    return status;
}

/// Pieces of the workspace, one after the other.
typedef struct workspace {
    uint8_t *base;
    size_t used;
} workspace;

static void *take(workspace *w, size_t bytes) {
    void *taken = w->base ? w->base + w->used : NULL;
    w->used += rounded(bytes);
    return taken;
}

static attune_projection_args projection_args(const attune_layer_args *a, const void *input, void *output, const void *weights,
                                              int64_t rows) {
    return (attune_projection_args){.size = sizeof(attune_projection_args),
                                    .version = ATTUNE_PROJECTION_ARGS_VERSION,
                                    .input = input,
                                    .output = output,
                                    .weights = weights,
                                    .batch = a->batch,
                                    .rows = rows,
                                    .exec = a->exec};
}

/// (batch, head, sequence) of heads side by side in rows of `columns`.
static void set_strides(int64_t stride[3], int64_t rows, int64_t columns, int64_t head) {
    stride[0] = rows * columns;
    stride[1] = head;
    stride[2] = columns;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/// The calls of a layer's parts. Without a workspace their pointers are null, and sizes are all that is right.
static attune_status plan(const attune_layer *layer, const attune_layer_args *a, attune_layer_call *call) {
    *call = (attune_layer_call){0};
    attune_status status = attune_check_layer(layer, a);
    if (status)
        return status;
    const attune_projection_variant *variant;
    if ((status = attune_choose_projection(layer->token_projection, &variant)))
        return status;
    const attune_kernel_info *info = &layer->attention->info;
    const bool is_cross = layer->context_projection != NULL;
    const size_t bytes = layer->token_projection->type_bits / 8u;
    const int64_t rows_kv = is_cross ? a->seq_len_context : a->seq_len;
    const int64_t columns_q = layer->token_projection->out_features, query_columns = (int64_t)layer->heads * info->head_dim;
    const int64_t columns_kv = is_cross ? layer->context_projection->out_features : columns_q,
                  mixed_columns = layer->output_projection->in_features;
    const attune_layer_packing packing = attune_find_packing(layer);

    workspace w = {.base = a->workspace};
    uint8_t *queries = take(&w, (size_t)(a->batch * a->seq_len * columns_q) * bytes), *keys = queries;
    if (is_cross)
        keys = take(&w, (size_t)(a->batch * rows_kv * columns_kv) * bytes);
    else if (keys)
        keys += (size_t)query_columns * bytes;
    uint8_t *mixed = take(&w, (size_t)(a->batch * a->seq_len * mixed_columns) * bytes);
    const uint8_t *packed = a->weights;
    call->norms = (const float *)(const void *)(packed + packing.norms);

    call->tokens = projection_args(a, a->input, queries, packed, a->seq_len);
    call->context = projection_args(a, a->context, keys, packed + packing.context, rows_kv);
    call->output = projection_args(a, mixed, a->output, packed + packing.output, a->seq_len);
    for (int i = 0; i < 2; i++) {
        call->tokens.stride_input[i] = a->stride_input[i];
        call->context.stride_input[i] = a->stride_context[i];
        call->output.stride_output[i] = a->stride_output[i];
    }
    call->attention = (attune_attention_args){.size = sizeof(attune_attention_args),
                                              .version = ATTUNE_ATTENTION_ARGS_VERSION,
                                              .query = queries,
                                              .key = keys,
                                              .value = keys ? keys + (size_t)((int64_t)layer->kv_heads * info->head_dim) * bytes : NULL,
                                              .output = mixed,
                                              .batch = a->batch,
                                              .num_heads = layer->heads,
                                              .num_kv_heads = layer->kv_heads,
                                              .seq_len_q = a->seq_len,
                                              .seq_len_kv = rows_kv,
                                              .lengths_q = a->lengths,
                                              .lengths_kv = is_cross ? a->lengths_context : a->lengths,
                                              .params = a->params,
                                              .exec = a->exec};
    set_strides(call->attention.stride_query, a->seq_len, columns_q, info->head_dim);
    set_strides(call->attention.stride_key, rows_kv, columns_kv, info->head_dim);
    set_strides(call->attention.stride_value, rows_kv, columns_kv, info->head_dim_v);
    set_strides(call->attention.stride_output, a->seq_len, mixed_columns, info->head_dim_v);

    // The parts run one after the other, so they share what is left.
    attune_projection_call part;
    size_t shared = 0;
    if ((status = attune_plan_projection(layer->token_projection, &call->tokens, &part)))
        return status;
    shared = part.workspace_bytes;
    if (is_cross && (status = attune_plan_projection(layer->context_projection, &call->context, &part)))
        return status;
    shared = larger(shared, part.workspace_bytes);
    if ((status = attune_plan_projection(layer->output_projection, &call->output, &part)))
        return status;
    shared = larger(shared, part.workspace_bytes);
    shared = larger(shared, attune_kernel_workspace_size(layer->attention, &call->attention));
    void *rest = take(&w, shared);
    attune_projection_args *const projections[] = {&call->tokens, &call->context, &call->output};
    for (int i = 0; i < 3; i++) {
        projections[i]->workspace = rest;
        projections[i]->workspace_size = shared;
    }
    call->attention.workspace = rest;
    call->attention.workspace_size = shared;
    call->workspace_bytes = a->batch > 0 && a->seq_len > 0 ? w.used : 0;
    return ATTUNE_OK;
}

size_t attune_layer_workspace_size(const attune_layer *layer, const attune_layer_args *args) {
    attune_layer_call call;
    return plan(layer, args, &call) ? 0 : call.workspace_bytes;
}

attune_status attune_layer_run(const attune_layer *layer, const attune_layer_args *args) {
    attune_layer_call call;
    attune_status status = plan(layer, args, &call);
    if (!status)
        status = attune_check_layer_memory(layer, args, call.workspace_bytes);
    if (status || call.workspace_bytes == 0)
        return status;
    status = attune_projection_run(layer->token_projection, &call.tokens);
    if (!status && layer->context_projection)
        status = attune_projection_run(layer->context_projection, &call.context);
    if (!status && (layer->norm_epsilon || layer->rope.frequencies))
        status = attune_finish_heads(layer, args, &call);
    if (!status)
        status = attune_kernel_run(layer->attention, &call.attention);
    return status ? status : attune_projection_run(layer->output_projection, &call.output);
}

/// Checks of a layer, in the words of its own arguments; what its parts check besides is their matter.
#include "layer.h"
#include "status.h"
#include "validate.h"

#include <inttypes.h>

static attune_status check_lengths(const char *name, const int32_t *lengths, int64_t batch, int64_t most) {
    for (int64_t b = 0; lengths && b < batch; b++)
        if (lengths[b] < 0 || lengths[b] > most)
            return attune_fail(ATTUNE_INDEX_RANGE, "%s[%" PRId64 "] is %" PRId32 " but must be from 0 to %" PRId64, name, b, lengths[b],
                               most);
    return ATTUNE_OK;
}

static attune_status check_table(const attune_layer *layer) {
    if (!layer)
        return attune_fail(ATTUNE_NULL_POINTER, "layer is null; pass <name>_layer of a generated one");
    if (layer->abi != ATTUNE_LAYER_ABI)
        return attune_fail(ATTUNE_STRUCT_SIZE, "layer abi is %u but this runtime has %d; generate it with the attune of this runtime",
                           layer->abi, ATTUNE_LAYER_ABI);
    return ATTUNE_OK;
}

attune_status attune_check_layer(const attune_layer *layer, const attune_layer_args *a) {
    attune_status status = check_table(layer);
    if (!status)
        status = attune_check_args(a, "attune_layer_args", sizeof *a, "ATTUNE_LAYER_ARGS_VERSION", ATTUNE_LAYER_ARGS_VERSION);
    if (!status)
        status = attune_check_exec(a->exec);
    if (status)
        return status;
    const bool is_cross = layer->context_projection != NULL;
    const attune_count counts[] = {{"batch", a->batch, 0, ATTUNE_LARGEST_LENGTH},
                                   {"seq_len", a->seq_len, 0, ATTUNE_LARGEST_LENGTH},
                                   {"seq_len_context", a->seq_len_context, 0, ATTUNE_LARGEST_LENGTH}};
    if ((status = attune_check_counts(counts, sizeof counts / sizeof *counts)))
        return status;
    if (!is_cross && (a->context || a->seq_len_context || a->lengths_context))
        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                           "context is given but layer %s has none; leave it, its length and lengths 0, or generate a layer with d_context",
                           layer->name);
    if (a->positions && !layer->rope.frequencies)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "positions is given but layer %s has no rope; leave it null", layer->name);
    status = check_lengths("lengths", a->lengths, a->batch, a->seq_len);
    return status ? status : check_lengths("lengths_context", a->lengths_context, a->batch, a->seq_len_context);
}

attune_status attune_check_layer_memory(const attune_layer *layer, const attune_layer_args *a, size_t workspace_bytes) {
    if (a->batch == 0 || a->seq_len == 0)
        return ATTUNE_OK;  // nothing is touched
    if (!a->input || !a->output)
        return attune_fail(ATTUNE_NULL_POINTER, "%s is null; pass its first element", a->input ? "output" : "input");
    if (layer->context_projection && !a->context && a->seq_len_context)
        return attune_fail(ATTUNE_NULL_POINTER, "context is null but seq_len_context is %" PRId64 "; pass its first element",
                           a->seq_len_context);
    attune_status status = attune_check_packed(a->weights);
    return status ? status : attune_check_workspace(a->workspace, a->workspace_size, workspace_bytes, true);
}

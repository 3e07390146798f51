#include "bound_params.h"

#include <stdbool.h>

void attune_bind_params(const attune_kernel *kernel, const attune_attention_args *args, attune_bound_params *params) {
    for (uint32_t i = 0; i < kernel->num_params; i++) {
        const attune_param *param = &kernel->params[i];
        const uint8_t *member = (const uint8_t *)args->params + param->offset;
        if (param->dimensions == 0) {
            params->argument[i] = (void *)member;
            continue;
        }
        const attune_tensor *tensor = (const attune_tensor *)member;
        int64_t strides[ATTUNE_MAX_PARAM_DIMS];
        attune_tensor_strides(param, tensor, strides);
        attune_dimension *dim = params->dim[i];
        for (int d = 0; d < param->dimensions; d++) {  // innermost first
            const int64_t extent = param->dim[d] == ATTUNE_DIM_ONE ? 1 : tensor->extent[d];
            dim[param->dimensions - 1 - d] = (attune_dimension){.extent = (int32_t)extent, .stride = extent > 1 ? (int32_t)strides[d] : 0};
        }
        params->buffer[i] = (attune_buffer){.host = (uint8_t *)tensor->data,
                                            .type_code = param->type_code,
                                            .type_bits = param->type_bits,
                                            .type_lanes = 1,
                                            .dimensions = param->dimensions,
                                            .dim = dim};
        params->argument[i] = &params->buffer[i];
    }
}

void attune_tensor_strides(const attune_param *param, const attune_tensor *tensor, int64_t strides[ATTUNE_MAX_PARAM_DIMS]) {
    bool is_dense = true;
    for (int d = 0; d < param->dimensions; d++) {
        is_dense = is_dense && (tensor->stride[d] == 0 || param->dim[d] == ATTUNE_DIM_ONE);
        strides[d] = tensor->stride[d];
    }
    int64_t dense = 1;
    for (int d = param->dimensions - 1; is_dense && d >= 0; d--) {
        strides[d] = dense;
        // Extents are bounded by attune_check_params where they are used; here an absurd one must only not overflow.
        const int64_t extent = param->dim[d] == ATTUNE_DIM_ONE ? 1 : tensor->extent[d];
        dense = extent > 0 && dense <= INT32_MAX ? dense * (extent <= INT32_MAX ? extent : INT32_MAX) : dense;
    }
}

__int128 attune_tensor_span(const attune_param *param, const attune_tensor *tensor) {
    int64_t strides[ATTUNE_MAX_PARAM_DIMS];
    attune_tensor_strides(param, tensor, strides);
    __int128 span = 1;
    for (int d = 0; d < param->dimensions; d++)
        if (param->dim[d] != ATTUNE_DIM_ONE)
            span += (__int128)(tensor->extent[d] - 1) * strides[d];
    return span;
}

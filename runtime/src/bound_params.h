/// A kernel's params as generated code takes them: buffers of the tensors, and the argument of each.
#ifndef ATTUNE_SRC_BOUND_PARAMS_H
#define ATTUNE_SRC_BOUND_PARAMS_H

#include "attune/kernel.h"

typedef struct attune_bound_params {
    attune_buffer buffer[ATTUNE_MAX_PARAMS];  ///< of scalars unused
    attune_dimension dim[ATTUNE_MAX_PARAMS][ATTUNE_MAX_PARAM_DIMS];
    void *argument[ATTUNE_MAX_PARAMS];
} attune_bound_params;

/// Points into itself and into args->params.
void attune_bind_params(const attune_kernel *kernel, const attune_attention_args *args, attune_bound_params *params);

/// The strides of a tensor parameter, those of dense C order where it has none.
void attune_tensor_strides(const attune_param *param, const attune_tensor *tensor, int64_t strides[ATTUNE_MAX_PARAM_DIMS]);
/// Elements from the first to the last one of a tensor parameter, both included; its strides must not be negative.
__int128 attune_tensor_span(const attune_param *param, const attune_tensor *tensor);

#endif

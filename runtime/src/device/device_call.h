/// A call whose tensors lie on a device.
#ifndef ATTUNE_SRC_DEVICE_CALL_H
#define ATTUNE_SRC_DEVICE_CALL_H

#include "api.h"
#include "attune/kernel.h"

/// What generated code hands on as user context.
typedef struct attune_device_call {
    attune_scratch scratch;  ///< first, and empty: should generated code ask its allocator, it gets null
    attune_session session;
    const attune_kernel *kernel;
    const attune_device_variant *variant;
    bool is_preparing;     ///< kernels are loaded, not launched
    attune_status status;  ///< of the first function that failed. Generated code goes on whatever they return, so they look here
} attune_device_call;

/// Numbers only; the structures must be checked.
attune_status attune_check_device_call(const attune_kernel *kernel, const attune_attention_args *args);
/// Pointers and their alignment, as `variant` needs it.
attune_status attune_check_device_memory(const attune_kernel *kernel, const attune_device_variant *variant,
                                         const attune_attention_args *args);
/// Whether the rows of query, key, value and output start where `variant` loads vectors.
bool attune_rows_are_aligned(const attune_kernel *kernel, const attune_device_variant *variant, const attune_attention_args *args);
/// The first variant for this api that the device can run and whose alignment the args have (null: any); where none has, the last that it can run.
attune_status attune_choose_device_variant(const attune_kernel *kernel, const attune_session *session, const attune_attention_args *args,
                                           const attune_device_variant **variant);
/// Calls variant->attention with `args`, whose checks are done.
attune_status attune_call_variant(attune_device_call *call, const attune_attention_args *args);

attune_status attune_run_on_device(const attune_kernel *kernel, const attune_attention_args *args);

#endif

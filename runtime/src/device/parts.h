/// Decode on devices: what each part of the keys leaves for every row, in the caller's workspace, until one kernel combines it.
#ifndef ATTUNE_SRC_DEVICE_PARTS_H
#define ATTUNE_SRC_DEVICE_PARTS_H

#include "attune/kernel.h"

typedef struct attune_parts {
    int64_t columns, rows;  ///< of a head block: rows of all its parts; 0: the variant has no parts
    int64_t elements;       ///< f32, of the call
} attune_parts;

/// Of args whose numbers are checked. More elements than a tensor may span: INT64_MAX.
attune_parts attune_size_parts(const attune_kernel *kernel, const attune_device_variant *variant, const attune_attention_args *args);
/// Bytes of workspace for whichever variant of the device's api runs.
size_t attune_parts_workspace(const attune_kernel *kernel, const attune_attention_args *args);
/// The workspace is there, large enough and aligned.
attune_status attune_check_parts(const attune_kernel *kernel, const attune_device_variant *variant, const attune_attention_args *args);

#endif

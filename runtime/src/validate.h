/// All checks of arguments. They run before anything is written, in this order.
#ifndef ATTUNE_SRC_VALIDATE_H
#define ATTUNE_SRC_VALIDATE_H

#include "attune/kernel.h"

/// Sizes and versions of the structures.
attune_status attune_check_structs(const attune_attention_args *args);
/// Counts, strides, lengths and cu_seqlens, and how they fit `kernel`. Looks at no tensor, so it serves workspace_size too.
attune_status attune_check_shape(const attune_kernel *kernel, const attune_attention_args *args);
/// Pointers: present, aligned, apart from each other; params; the workspace, of which `workspace_bytes` are needed.
attune_status attune_check_memory(const attune_kernel *kernel, const attune_attention_args *args, size_t workspace_bytes);

/// A tensor of a call. Its rows, of `row_elements` each, are numbered by (batch, head, sequence).
typedef struct attune_tensor {
    const char *name;
    const void *data;
    int64_t element_bytes, row_elements;
    int64_t extent[3];      ///< batch is 1 for packed sequences
    const int64_t *stride;  ///< elements
} attune_tensor;

/// query, key, value, output and lse of `args`, in this order.
enum { ATTUNE_QUERY, ATTUNE_KEY, ATTUNE_VALUE, ATTUNE_OUTPUT, ATTUNE_LSE, ATTUNE_NUM_TENSORS };
void attune_list_tensors(const attune_kernel *kernel, const attune_attention_args *args, attune_tensor tensors[ATTUNE_NUM_TENSORS]);
/// Elements from the first to the last one that a tensor can touch, both included.
__int128 attune_tensor_span(const attune_tensor *tensor);

#endif

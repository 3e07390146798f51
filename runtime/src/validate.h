/// All checks of arguments. They run before anything is written, in this order.
#ifndef ATTUNE_SRC_VALIDATE_H
#define ATTUNE_SRC_VALIDATE_H

#include "attune/device.h"
#include "attune/kernel.h"

#include <stdbool.h>

/// Sizes and versions of the structures.
attune_status attune_check_structs(const attune_attention_args *args);
/// The device that the tensors lie on, or null; of args whose structures are checked.
static inline const attune_device *attune_device_of(const attune_attention_args *args) {
    return args->exec ? args->exec->device : NULL;
}
/// Whether pointers to tensors are addresses, which have alignment and neighbours. Other devices than CUDA's have handles.
static inline bool attune_has_addresses(const attune_attention_args *args) {
    const attune_device *device = attune_device_of(args);
    return !device || device->api == ATTUNE_API_CUDA;
}
/// The same of any args, which start with size and version: "attune_merge_args", its size, "ATTUNE_MERGE_ARGS_VERSION" and that number.
attune_status attune_check_args(const void *args, const char *type, size_t size, const char *version_name, uint32_t version);
/// A number of a call, from `minimum` to `maximum`.
typedef struct attune_count {
    const char *name;
    int64_t value, minimum, maximum;
} attune_count;
attune_status attune_check_counts(const attune_count *counts, size_t count);
attune_status attune_check_exec(const attune_exec *exec);
/// Those that rows are turned by: null unless the kernel has rope.
attune_status attune_check_positions(const attune_kernel *kernel, const int32_t *positions, int64_t stride);
/// Counts, strides, lengths and cu_seqlens, and how they fit `kernel`. Looks at no tensor, so it serves workspace_size too, and at no
/// lengths on a device.
attune_status attune_check_shape(const attune_kernel *kernel, const attune_attention_args *args);
/// Members of the kernel's params: extents, strides, pointers, and the block mask's lists. Reads the lists, and, in debug builds, arrays
/// that promise to be nondecreasing, unless they lie on a device.
attune_status attune_check_params(const attune_kernel *kernel, const attune_attention_args *args);
/// Pointers: present, aligned, apart from each other; params; the workspace, of which `workspace_bytes` are needed.
attune_status attune_check_memory(const attune_kernel *kernel, const attune_attention_args *args, size_t workspace_bytes);
/// All of attune_kernel_append.
attune_status attune_check_append(const attune_kernel *kernel, const attune_append_args *args);
/// All of attune_merge.
attune_status attune_check_merge(const attune_merge_args *args);

/// Positions of keys, up to the end of a chunk, and all that masks and scores make of positions fit into 32 bits below this limit:
/// generated code relies on it.
#define ATTUNE_LARGEST_LENGTH ((int64_t)1 << 28)

/// A tensor of a call. Its rows, of `row_elements` each, are numbered by (batch, head, sequence).
typedef struct attune_operand {
    const char *name;
    const void *data;
    int64_t element_bytes, row_elements;
    int64_t extent[3];      ///< batch is 1 for packed sequences
    const int64_t *stride;  ///< elements
    bool is_optional;
} attune_operand;

/// The tensors of `args`: inputs, then outputs.
enum {
    ATTUNE_QUERY,
    ATTUNE_KEY,
    ATTUNE_VALUE,
    ATTUNE_SCALES,  ///< of key and value, then their zero points
    ATTUNE_OUTPUT = ATTUNE_SCALES + 4,
    ATTUNE_LSE,
    ATTUNE_PAIRS,
    ATTUNE_NUM_OPERANDS
};
void attune_list_operands(const attune_kernel *kernel, const attune_attention_args *args, attune_operand tensors[ATTUNE_NUM_OPERANDS]);
/// Elements from the first to the last one that a tensor can touch, both included.
__int128 attune_operand_span(const attune_operand *tensor);
/// Not negative, the span within range, and rows of a tensor that is written apart from each other.
attune_status attune_check_strides(const attune_operand *tensor, bool is_written, bool is_packed);
/// Present unless optional or without elements; aligned too.
attune_status attune_check_presence(const attune_operand *tensor);
attune_status attune_check_pointer(const attune_operand *tensor);
/// Whether a dimension of the tensor counts keys: without any, it is neither checked nor looked at.
bool attune_has_keys(const attune_param *param);
/// There, large enough and, where memory has addresses, aligned.
attune_status attune_check_workspace(const void *workspace, size_t size, size_t needed, bool is_address);
/// What is written, `workspace_bytes` of workspace included, is apart from all else.
attune_status attune_check_apart(const attune_kernel *kernel, const attune_attention_args *args,
                                 const attune_operand tensors[ATTUNE_NUM_OPERANDS], size_t workspace_bytes);

/// Addresses that a call may touch: first <= address < end.
typedef struct attune_range {
    const char *name;
    uintptr_t first, end;
} attune_range;
attune_range attune_operand_range(const attune_operand *tensor);
/// What holds no address overlaps nothing, wherever it lies.
static inline bool attune_overlap(attune_range a, attune_range b) {
    return a.first < b.end && b.first < a.end && a.first < a.end && b.first < b.end;
}

#endif

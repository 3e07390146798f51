/// Checks that look at addresses. Nothing behind an address is read.
#include "validate.h"

#include "status.h"

#include <inttypes.h>
#include <stdbool.h>

enum { workspace_alignment = 64 };

/// Addresses that a call may touch: first <= address < end.
typedef struct range {
    const char *name;
    uintptr_t first, end;
} range;

static range make_range(const char *name, const void *data, uintptr_t bytes) {
    uintptr_t first = (uintptr_t)data;
    return (range){name, first, bytes > UINTPTR_MAX - first ? UINTPTR_MAX : first + bytes};
}

static range tensor_range(const attune_tensor *t) {
    if (!t->data)
        return (range){t->name, 0, 0};
    return make_range(t->name, t->data, (uintptr_t)attune_tensor_span(t) * (uintptr_t)t->element_bytes);
}

static bool overlap(range a, range b) {
    return a.first < b.end && b.first < a.end;
}

static attune_status check_pointer(const attune_tensor *t, bool is_optional) {
    if (attune_tensor_span(t) == 0)
        return ATTUNE_OK;  // never touched
    if (!t->data)
        return is_optional ? ATTUNE_OK
                           : attune_fail(ATTUNE_NULL_POINTER, "%s is null but has %" PRId64 " rows of each head; pass its first element",
                                         t->name, t->extent[2]);
    if ((uintptr_t)t->data % (uintptr_t)t->element_bytes)
        return attune_fail(ATTUNE_MISALIGNED, "%s is at %p but must be aligned to its element, %" PRId64 " bytes", t->name, t->data,
                           t->element_bytes);
    return ATTUNE_OK;
}

static attune_status check_workspace(const attune_attention_args *a, size_t needed) {
    if (needed == 0)
        return ATTUNE_OK;
    if (!a->workspace)
        return attune_fail(ATTUNE_WORKSPACE_TOO_SMALL,
                           "workspace is null but this call needs %zu bytes; allocate what workspace_size returns", needed);
    if (a->workspace_size < needed)
        return attune_fail(ATTUNE_WORKSPACE_TOO_SMALL,
                           "workspace_size is %zu but this call needs %zu bytes; allocate what workspace_size returns for these args",
                           a->workspace_size, needed);
    if ((uintptr_t)a->workspace % workspace_alignment)
        return attune_fail(ATTUNE_MISALIGNED, "workspace is at %p but must be aligned to %d bytes; use aligned_alloc", a->workspace,
                           workspace_alignment);
    return ATTUNE_OK;
}

attune_status attune_check_memory(const attune_kernel *kernel, const attune_attention_args *a, size_t workspace_bytes) {
    if (a->batch == 0 || a->seq_len_q == 0)
        return ATTUNE_OK;  // nothing is touched
    attune_tensor tensors[ATTUNE_NUM_TENSORS];
    attune_list_tensors(kernel, a, tensors);
    attune_status status = ATTUNE_OK;
    for (int i = 0; i < ATTUNE_NUM_TENSORS && !status; i++)
        status = check_pointer(&tensors[i], i == ATTUNE_LSE);
    if (!status)
        status = check_workspace(a, workspace_bytes);
    if (status)
        return status;

    range ranges[ATTUNE_NUM_TENSORS + 1];
    for (int i = 0; i < ATTUNE_NUM_TENSORS; i++)
        ranges[i] = tensor_range(&tensors[i]);
    ranges[ATTUNE_NUM_TENSORS] = make_range("workspace", a->workspace, workspace_bytes);
    for (int written = ATTUNE_OUTPUT; written <= ATTUNE_NUM_TENSORS; written++)
        for (int other = 0; other < written; other++)
            if (overlap(ranges[written], ranges[other]))
                return attune_fail(ATTUNE_INVALID_ARGUMENT,
                                   "%s overlaps %s (from %p, %zu bytes) but must be apart from it; give it memory of its own",
                                   ranges[written].name, ranges[other].name, (void *)ranges[other].first,
                                   (size_t)(ranges[other].end - ranges[other].first));
    return ATTUNE_OK;
}

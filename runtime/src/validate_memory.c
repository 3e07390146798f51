/// Checks that look at addresses. Nothing behind an address is read.
#include "validate.h"

#include "bound_params.h"
#include "status.h"

#include <inttypes.h>
#include <stdbool.h>

enum { workspace_alignment = 64 };

static attune_range make_range(const char *name, const void *data, uintptr_t bytes) {
    uintptr_t first = (uintptr_t)data;
    return (attune_range){name, first, bytes > UINTPTR_MAX - first ? UINTPTR_MAX : first + bytes};
}

attune_range attune_operand_range(const attune_operand *t) {
    if (!t->data)
        return (attune_range){t->name, 0, 0};
    return make_range(t->name, t->data, (uintptr_t)attune_operand_span(t) * (uintptr_t)t->element_bytes);
}

static attune_range param_range(const attune_attention_args *a, const attune_param *param) {
    const attune_tensor *tensor = (const attune_tensor *)((const uint8_t *)a->params + param->offset);
    return make_range(param->name, tensor->data, (uintptr_t)attune_tensor_span(param, tensor) * (param->type_bits / 8u));
}

/// Of an array of linear attention's state, which may be left out.
static attune_range state_range(const char *name, const float *data, uintptr_t bytes) {
    return make_range(name, data, data ? bytes : 0);
}

/// A present state may take its past's place. Both pasts stand before the first that is written, both presents from there on.
static bool is_in_place(const attune_range *ranges, int first_written, int written, int other) {
    return written < first_written + 2 && other == written - 2 && ranges[written].first == ranges[other].first;
}

attune_status attune_check_presence(const attune_operand *t) {
    if (t->data || t->is_optional || attune_operand_span(t) == 0)  // never touched without elements
        return ATTUNE_OK;
    return attune_fail(ATTUNE_NULL_POINTER, "%s is null but has %" PRId64 " rows of each head; pass its first element", t->name,
                       t->extent[2]);
}

attune_status attune_check_pointer(const attune_operand *t) {
    const attune_status status = attune_check_presence(t);
    if (status || attune_operand_span(t) == 0)
        return status;
    if ((uintptr_t)t->data % (uintptr_t)t->element_bytes)
        return attune_fail(ATTUNE_MISALIGNED, "%s is at %p but must be aligned to its element, %" PRId64 " bytes", t->name, t->data,
                           t->element_bytes);
    return ATTUNE_OK;
}

attune_status attune_check_workspace(const void *workspace, size_t size, size_t needed, bool is_address) {
    if (needed == 0)
        return ATTUNE_OK;
    if (!workspace)
        return attune_fail(ATTUNE_WORKSPACE_TOO_SMALL,
                           "workspace is null but this call needs %zu bytes; allocate what workspace_size returns", needed);
    if (size < needed)
        return attune_fail(ATTUNE_WORKSPACE_TOO_SMALL,
                           "workspace_size is %zu but this call needs %zu bytes; allocate what workspace_size returns for these args", size,
                           needed);
    if (is_address && (uintptr_t)workspace % workspace_alignment)
        return attune_fail(ATTUNE_MISALIGNED, "workspace is at %p but must be aligned to %d bytes; use aligned_alloc", workspace,
                           workspace_alignment);
    return ATTUNE_OK;
}

attune_status attune_check_memory(const attune_kernel *kernel, const attune_attention_args *a, size_t workspace_bytes) {
    if (a->batch == 0 || a->seq_len_q == 0)
        return ATTUNE_OK;  // nothing is touched
    attune_operand tensors[ATTUNE_NUM_OPERANDS];
    attune_list_operands(kernel, a, tensors);
    attune_status status = ATTUNE_OK;
    for (int i = 0; i < ATTUNE_NUM_OPERANDS && !status; i++)
        status = attune_check_pointer(&tensors[i]);
    if (!status)
        status = attune_check_workspace(a->workspace, a->workspace_size, workspace_bytes, attune_has_addresses(a));
    return status ? status : attune_check_apart(kernel, a, tensors, workspace_bytes);
}

attune_status attune_check_apart(const attune_kernel *kernel, const attune_attention_args *a,
                                 const attune_operand tensors[ATTUNE_NUM_OPERANDS], size_t workspace_bytes) {
    // What is read, then what is written: query, key, value, the params and a past state; the present one, output, lse, pairs and the workspace.
    attune_range ranges[ATTUNE_NUM_OPERANDS + ATTUNE_MAX_PARAMS + 5];
    int n = 0;
    for (int i = 0; i < ATTUNE_OUTPUT; i++)
        ranges[n++] = attune_operand_range(&tensors[i]);
    for (uint32_t i = 0; a->seq_len_kv > 0 && i < kernel->num_params; i++)
        if (kernel->params[i].dimensions)
            ranges[n++] = param_range(a, &kernel->params[i]);
    const attune_linear_state *s = a->state;
    const uintptr_t sum_bytes = (uintptr_t)(a->batch * a->num_kv_heads * kernel->info.head_dim) * sizeof(float);
    const uintptr_t outer_bytes = sum_bytes * (uintptr_t)kernel->info.head_dim_v;
    if (s) {
        ranges[n++] = state_range("state.past", s->past, outer_bytes);
        ranges[n++] = state_range("state.past_key_sum", s->past_key_sum, sum_bytes);
    }
    const int first_written = n;
    if (s) {
        ranges[n++] = state_range("state.present", s->present, outer_bytes);
        ranges[n++] = state_range("state.present_key_sum", s->present_key_sum, sum_bytes);
    }
    for (int i = ATTUNE_OUTPUT; i < ATTUNE_NUM_OPERANDS; i++)
        ranges[n++] = attune_operand_range(&tensors[i]);
    if (workspace_bytes)
        ranges[n++] = make_range("workspace", a->workspace, workspace_bytes);
    for (int written = first_written; written < n; written++)
        for (int other = 0; other < written; other++)
            if (attune_overlap(ranges[written], ranges[other]) && !(s && is_in_place(ranges, first_written, written, other)))
                return attune_fail(ATTUNE_INVALID_ARGUMENT,
                                   "%s overlaps %s (from %p, %zu bytes) but must be apart from it; give it memory of its own",
                                   ranges[written].name, ranges[other].name, (void *)ranges[other].first,
                                   (size_t)(ranges[other].end - ranges[other].first));
    return ATTUNE_OK;
}

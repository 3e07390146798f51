/// Checks of calls on devices: those of calls on CPUs, and what devices do not have. Nothing that lies on a device is read.
#include "device_call.h"
#include "kv_cache.h"
#include "parts.h"
#include "status.h"
#include "validate.h"

#include <inttypes.h>

static attune_status check_support(const attune_kernel *kernel, const attune_attention_args *a) {
    const char *name = kernel->info.name;
    bool has_parts = false;
    for (uint32_t i = 0; i < kernel->num_device_variants; i++)
        has_parts = has_parts || kernel->device_variants[i].split_keys;
    if (a->cu_seqlens_q && has_parts)
        return attune_fail(
            ATTUNE_INVALID_ARGUMENT,
            "cu_seqlens is given but kernel %s is for decode, which takes no packed sequences on devices; pass lengths_q and "
            "lengths_kv",
            name);
    if (a->pairs)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "pairs is given but calls on devices write none; pass null");
    if (a->state)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "state is given but calls on devices have none; pass null");
    if (a->positions || kernel->rope.frequencies)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "kernel %s has rope, which calls on devices do not have; turn query and key before",
                           name);
    if (a->cache || attune_needs_cache(kernel) || attune_lists_rows(kernel))
        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                           "kernel %s keeps its keys in pages, in a ring or as integers, which calls on devices do not have", name);
    if (kernel->cache.value_elements == 0)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "kernel %s has its values in key, which calls on devices do not have", name);
    return ATTUNE_OK;
}

attune_status attune_check_device_call(const attune_kernel *kernel, const attune_attention_args *a) {
    const attune_status status = check_support(kernel, a);
    return status ? status : attune_check_shape(kernel, a);
}

static attune_status misaligned(const char *name, const void *data, int32_t bytes) {
    return attune_fail(ATTUNE_MISALIGNED, "%s is at %p but must be aligned to %d bytes", name, data, bytes);
}

/// Where the first row starts, by address.
static bool starts_aligned(const attune_operand *t, int32_t alignment) {
    return (uintptr_t)t->data % (uintptr_t)alignment == 0;
}
/// From row to row.
static bool stride_is_aligned(const attune_operand *t, int d, int32_t alignment) {
    return t->extent[d] <= 1 || t->stride[d] * t->element_bytes % alignment == 0;
}
/// Tensors whose rows are loaded or stored in vectors.
static bool takes_vectors(const attune_operand *t, int operand, const attune_device_variant *variant) {
    return variant->alignment > 1 && operand != ATTUNE_LSE && t->data && attune_operand_span(t) > 0;
}

bool attune_rows_are_aligned(const attune_kernel *kernel, const attune_device_variant *variant, const attune_attention_args *a) {
    attune_operand tensors[ATTUNE_NUM_OPERANDS];
    attune_list_operands(kernel, a, tensors);
    for (int i = 0; i < ATTUNE_NUM_OPERANDS; i++) {
        const attune_operand *t = &tensors[i];
        if (!takes_vectors(t, i, variant))
            continue;
        if (attune_has_addresses(a) && !starts_aligned(t, variant->alignment))
            return false;
        for (int d = 0; d < 3; d++)
            if (!stride_is_aligned(t, d, variant->alignment))
                return false;
    }
    return true;
}

/// Rows are loaded in vectors, so all of them have to start on a multiple of `alignment`.
static attune_status check_alignment(const attune_operand *t, int32_t alignment, bool has_address) {
    static const char *const dimension_names[3] = {"batch", "head", "sequence"};
    if (has_address && !starts_aligned(t, alignment))
        return misaligned(t->name, t->data, alignment);
    for (int d = 0; d < 3; d++)
        if (!stride_is_aligned(t, d, alignment))
            return attune_fail(ATTUNE_MISALIGNED,
                               "stride_%s[%d] (%s) is %" PRId64 " elements but must be a multiple of %" PRId64 ", %d bytes; pad the rows",
                               t->name, d, dimension_names[d], t->stride[d], alignment / t->element_bytes, alignment);
    return ATTUNE_OK;
}

/// Handles have no neighbours: of two that differ nothing is known, the same one twice is the same memory.
static attune_status check_handles_differ(const attune_kernel *kernel, const attune_attention_args *a, const attune_operand *tensors,
                                          size_t workspace_bytes) {
    for (int i = 0; workspace_bytes && i < ATTUNE_NUM_OPERANDS; i++)
        if (tensors[i].data == a->workspace)
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "workspace and %s are the same memory object but must be apart; give each its own",
                               tensors[i].name);
    static const int written[] = {ATTUNE_OUTPUT, ATTUNE_LSE};
    for (int i = 0; i < 2; i++) {
        const attune_operand *w = &tensors[written[i]];
        const char *same = NULL;
        for (int t = 0; t < ATTUNE_NUM_OPERANDS && !same; t++)
            if (t < written[i] && tensors[t].data == w->data)
                same = tensors[t].name;
        for (uint32_t p = 0; a->seq_len_kv > 0 && p < kernel->num_params && !same; p++)
            if (kernel->params[p].dimensions &&
                ((const attune_tensor *)((const uint8_t *)a->params + kernel->params[p].offset))->data == w->data)
                same = kernel->params[p].name;
        if (w->data && same)
            return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s and %s are the same memory object but must be apart; give each its own",
                               w->name, same);
    }
    return ATTUNE_OK;
}

attune_status attune_check_device_memory(const attune_kernel *kernel, const attune_device_variant *variant,
                                         const attune_attention_args *a) {
    const bool has_addresses = attune_has_addresses(a);
    attune_operand tensors[ATTUNE_NUM_OPERANDS];
    attune_list_operands(kernel, a, tensors);
    attune_status status = ATTUNE_OK;
    for (int i = 0; i < ATTUNE_NUM_OPERANDS && !status; i++) {
        const attune_operand *t = &tensors[i];
        status = has_addresses ? attune_check_pointer(t) : attune_check_presence(t);
        if (!status && takes_vectors(t, i, variant))
            status = check_alignment(t, variant->alignment, has_addresses);
    }
    if (status)
        return status;
    const struct {
        const char *name;
        const int32_t *data;
    } integers[] = {
        {"lengths_q", a->lengths_q}, {"lengths_kv", a->lengths_kv}, {"cu_seqlens_q", a->cu_seqlens_q}, {"cu_seqlens_kv", a->cu_seqlens_kv}};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        if (has_addresses && (uintptr_t)integers[i].data % sizeof(int32_t))
            return misaligned(integers[i].name, integers[i].data, sizeof(int32_t));
    status = attune_check_parts(kernel, variant, a);
    if (status)
        return status;
    const size_t workspace_bytes = (size_t)attune_size_parts(kernel, variant, a).elements * sizeof(float);
    return has_addresses ? attune_check_apart(kernel, a, tensors, workspace_bytes)
                         : check_handles_differ(kernel, a, tensors, workspace_bytes);
}

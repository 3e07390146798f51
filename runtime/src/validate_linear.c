#include "linear.h"

#include "status.h"

#include <stdint.h>

/// Both of the past, or of the present: a matrix, and beside it a sum of keys where rows are divided by theirs.
static attune_status check_arrays(const attune_kernel *kernel, const char *name, const float *outer, const float *key_sum) {
    if ((uintptr_t)outer % sizeof(float) || (uintptr_t)key_sum % sizeof(float))
        return attune_fail(ATTUNE_MISALIGNED, "state.%s is at %p but must be aligned to 4 bytes", name,
                           (const void *)((uintptr_t)outer % sizeof(float) ? outer : key_sum));
    if (kernel->state != ATTUNE_STATE_OUTER_AND_KEY_SUM && key_sum)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "state.%s_key_sum is given but kernel %s does not divide rows by their sum; pass null",
                           name, kernel->info.name);
    if (kernel->state == ATTUNE_STATE_OUTER_AND_KEY_SUM && !outer != !key_sum)
        return attune_fail(ATTUNE_NULL_POINTER, "state.%s%s is null beside state.%s%s; kernel %s divides rows by their sum and needs both",
                           name, outer ? "_key_sum" : "", name, outer ? "" : "_key_sum", kernel->info.name);
    return ATTUNE_OK;
}

attune_status attune_check_linear_state(const attune_kernel *kernel, const attune_attention_args *a) {
    const attune_linear_state *s = a->state;
    if (!s)
        return ATTUNE_OK;
    if (kernel->state == ATTUNE_STATE_NONE)
        return attune_fail(ATTUNE_INVALID_ARGUMENT,
                           "state is given but kernel %s has none; pass null, or generate one with NORMALIZER linear", kernel->info.name);
    if (s->size != sizeof *s)
        return attune_fail(
            ATTUNE_STRUCT_SIZE,
            "state.size is %u but must be sizeof(attune_linear_state), here %zu; set it, or compile with the header of this runtime",
            s->size, sizeof *s);
    const attune_status status = check_arrays(kernel, "past", s->past, s->past_key_sum);
    return status ? status : check_arrays(kernel, "present", s->present, s->present_key_sum);
}

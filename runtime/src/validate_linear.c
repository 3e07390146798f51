#include "linear.h"

#include "status.h"
#include "validate.h"

#include <inttypes.h>

/// An array of the state: its name, where it is, and its elements.
typedef struct array {
    const char *name;
    const float *data;
    int64_t elements;
} array;

static attune_range range_of(array a) {
    const uintptr_t first = (uintptr_t)a.data;
    return (attune_range){a.name, first, first + (uintptr_t)a.elements * sizeof(float)};
}

static attune_status check_array(const attune_kernel *kernel, array outer, array key_sum, const char *name) {
    if ((uintptr_t)outer.data % sizeof(float) || (uintptr_t)key_sum.data % sizeof(float))
        return attune_fail(ATTUNE_MISALIGNED, "state.%s is at %p but must be aligned to 4 bytes", name,
                           (const void *)((uintptr_t)outer.data % sizeof(float) ? outer.data : key_sum.data));
    if (kernel->state != ATTUNE_STATE_OUTER_AND_KEY_SUM && key_sum.data)
        return attune_fail(ATTUNE_INVALID_ARGUMENT, "%s is given but kernel %s does not divide rows by their sum; pass null", key_sum.name,
                           kernel->info.name);
    if (kernel->state == ATTUNE_STATE_OUTER_AND_KEY_SUM && !outer.data != !key_sum.data)
        return attune_fail(ATTUNE_NULL_POINTER, "%s is null beside %s; kernel %s divides rows by their sum and needs both",
                           outer.data ? key_sum.name : outer.name, outer.data ? outer.name : key_sum.name, kernel->info.name);
    return ATTUNE_OK;
}

/// What is written lies apart from all that is read or written beside it, and is the past of the same kind or apart from that.
static attune_status check_present_is_apart(const attune_kernel *kernel, const attune_attention_args *a, const array past[2],
                                            const array present[2]) {
    attune_operand tensors[ATTUNE_NUM_OPERANDS];
    attune_list_operands(kernel, a, tensors);
    for (int i = 0; i < 2; i++) {
        if (!present[i].data)
            continue;
        const attune_range written = range_of(present[i]);
        attune_range others[ATTUNE_NUM_OPERANDS + 4] = {
            {"workspace", (uintptr_t)a->workspace, (uintptr_t)a->workspace + a->workspace_size}};
        int n = 1;
        for (int t = 0; t < ATTUNE_NUM_OPERANDS; t++)
            others[n++] = attune_operand_range(&tensors[t]);
        for (int j = 0; j < 2; j++) {
            if (past[j].data && !(j == i && past[j].data == present[i].data))
                others[n++] = range_of(past[j]);
            if (present[j].data && j != i)
                others[n++] = range_of(present[j]);
        }
        for (int other = 0; other < n; other++)
            if (attune_overlap(written, others[other]))
                return attune_fail(ATTUNE_INVALID_ARGUMENT,
                                   "%s overlaps %s (from %p, %zu bytes) but must be apart from it; give it memory of its own", written.name,
                                   others[other].name, (void *)others[other].first, (size_t)(others[other].end - others[other].first));
    }
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
    const int64_t heads = a->batch * a->num_kv_heads, sums = heads * kernel->info.head_dim, outers = sums * kernel->info.head_dim_v;
    const array past[2] = {{"state.past", s->past, outers}, {"state.past_key_sum", s->past_key_sum, sums}};
    const array present[2] = {{"state.present", s->present, outers}, {"state.present_key_sum", s->present_key_sum, sums}};
    attune_status status = check_array(kernel, past[0], past[1], "past");
    if (!status)
        status = check_array(kernel, present[0], present[1], "present");
    return status ? status : check_present_is_apart(kernel, a, past, present);
}

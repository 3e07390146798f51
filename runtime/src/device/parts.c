#include "parts.h"

#include "status.h"
#include "validate.h"

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

attune_parts attune_size_parts(const attune_kernel *kernel, const attune_device_variant *v, const attune_attention_args *a) {
    attune_parts parts = {0};
    if (!v->split_keys)
        return parts;
    const int64_t of_keys = a->seq_len_kv > 0 ? divide_up(a->seq_len_kv, v->split_keys) : 1;
    parts.columns = divide_up(kernel->info.head_dim_v, 4) * 4 + 4;
    parts.rows = divide_up(a->seq_len_q * v->fold, v->block_q) * of_keys * v->block_q;
    const __int128 elements = (__int128)parts.columns * parts.rows * (a->num_heads / v->fold) * a->batch;
    parts.elements = elements > INT32_MAX ? INT64_MAX : (int64_t)elements;
    return parts;
}

static attune_status too_many(void) {
    return attune_fail(ATTUNE_INDEX_RANGE,
                       "the parts of the keys take more than %d floats of workspace; split the batch over several calls", INT32_MAX);
}

size_t attune_parts_workspace(const attune_kernel *kernel, const attune_attention_args *a) {
    int64_t most = 0;
    for (uint32_t i = 0; i < kernel->num_device_variants; i++) {
        const attune_device_variant *v = &kernel->device_variants[i];
        const int64_t elements = v->api == a->exec->device->api ? attune_size_parts(kernel, v, a).elements : 0;
        most = elements > most ? elements : most;
    }
    if (most > INT32_MAX)
        return too_many(), 0;
    return (size_t)most * sizeof(float);
}

attune_status attune_check_parts(const attune_kernel *kernel, const attune_device_variant *v, const attune_attention_args *a) {
    const int64_t elements = attune_size_parts(kernel, v, a).elements;
    const size_t bytes = (size_t)elements * sizeof(float);
    if (elements > INT32_MAX)
        return too_many();
    return attune_check_workspace(a->workspace, a->workspace_size, bytes, attune_has_addresses(a));
}

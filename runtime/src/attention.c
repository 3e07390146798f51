/// A call: check, plan, then two phases, of decode three, of linear attention one; or on a device.
#include "call.h"
#include "decode.h"
#include "device/device_call.h"
#include "device/parts.h"
#include "dispatch.h"
#include "kv_cache.h"
#include "linear.h"
#include "phase.h"
#include "rows_task.h"
#include "validate.h"

/// Everything that can be known without looking at a tensor.
static attune_status prepare(const attune_kernel *kernel, const attune_attention_args *args, attune_call *call) {
    const attune_status status = attune_check_shape(kernel, args);
    return status ? status : attune_plan_call(kernel, args, call);
}

static attune_status check_structs(const attune_kernel *kernel, const attune_attention_args *args) {
    const attune_status status = attune_check_kernel(kernel);
    return status ? status : attune_check_structs(args);
}

size_t attune_kernel_workspace_size(const attune_kernel *kernel, const attune_attention_args *args) {
    attune_call call;
    if (check_structs(kernel, args))
        return 0;
    if (attune_device_of(args))
        return attune_check_device_call(kernel, args) ? 0 : attune_parts_workspace(kernel, args);
    return prepare(kernel, args, &call) ? 0 : call.workspace_bytes;
}

attune_status attune_kernel_run(const attune_kernel *kernel, const attune_attention_args *args) {
    attune_call call;
    attune_status status = check_structs(kernel, args);
    if (!status && attune_device_of(args))
        return attune_run_on_device(kernel, args);
    if (!status)
        status = prepare(kernel, args, &call);
    if (!status)
        status = attune_check_params(kernel, args);
    if (!status)
        status = attune_check_linear_state(kernel, args);
    if (!status)
        status = attune_check_memory(kernel, args, call.workspace_bytes);
    if (!status && args->batch > 0 && args->seq_len_q > 0) {
        const attune_cache_view view = attune_view_cache(kernel, args);
        status = attune_check_cache(&view, args->lengths_kv);
    }
    if (!status && call.variant && call.variant->linear_read)
        return attune_run_linear(&call);
    if (!status && call.variant && call.variant->split)
        return attune_run_decode(&call);
    if (!status)
        status = attune_run_phase(&call, call.norm_tasks, attune_norm_task);
    if (!status)
        status = attune_run_phase(&call, call.row_tasks, attune_rows_task);
    return status;
}

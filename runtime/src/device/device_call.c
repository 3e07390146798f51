#include "device_call.h"

#include "bound_params.h"
#include "dispatch.h"
#include "status.h"
#include "validate.h"

#include <stdlib.h>
#include <string.h>

/// The buffers after the params, in the order of attune/kernel.h.
enum { LENGTHS_Q, LENGTHS_KV, QUERY, KEY, VALUE, LSE, OUTPUT, NUM_BUFFERS };
enum { num_scalars = 6, max_dims = 5 };

typedef struct buffers {
    attune_buffer buffer[NUM_BUFFERS];
    attune_dimension dim[NUM_BUFFERS][max_dims];
} buffers;

typedef struct axis {
    int64_t extent, stride;
} axis;

/// A tensor; one without `data`, which is not looked at, stands where query is.
static void describe(buffers *b, int which, uint8_t type_code, uint8_t type_bits, const void *data, const void *query, int dimensions,
                     const axis axes[]) {
    for (int d = 0; d < dimensions; d++)
        b->dim[which][d] = (attune_dimension){.extent = (int32_t)axes[d].extent,
                                              // What is one long has no neighbour to step to, and its stride may be anything.
                                              .stride = data && axes[d].extent > 1 ? (int32_t)axes[d].stride : 0};
    b->buffer[which] = (attune_buffer){.device = (uint64_t)(uintptr_t)(data ? data : query),
                                       .type_code = type_code,
                                       .type_bits = type_bits,
                                       .type_lanes = 1,
                                       .dimensions = dimensions,
                                       .dim = b->dim[which]};
}

static void describe_tensors(const attune_device_call *call, const attune_attention_args *a, buffers *b) {
    enum { type_int = 0, type_float = 2 };
    const attune_kernel *k = call->kernel;
    const int64_t fold = call->variant->fold, head_blocks = a->num_heads / fold;
    const axis lengths[] = {{a->batch, 1}};
    describe(b, LENGTHS_Q, type_int, 32, a->lengths_q, a->query, 1, lengths);
    describe(b, LENGTHS_KV, type_int, 32, a->lengths_kv, a->query, 1, lengths);

    const int64_t *s = a->stride_query;
    const axis query[] = {{k->info.head_dim, 1}, {fold, s[1]}, {a->seq_len_q, s[2]}, {head_blocks, fold * s[1]}, {a->batch, s[0]}};
    describe(b, QUERY, k->type_code, k->type_bits, a->query, a->query, 5, query);
    s = a->stride_key;
    const axis key[] = {{k->info.head_dim, 1}, {a->seq_len_kv, s[2]}, {a->num_kv_heads, s[1]}, {a->batch, s[0]}};
    describe(b, KEY, k->type_code, k->type_bits, a->key, a->query, 4, key);
    s = a->stride_value;
    const axis value[] = {{k->info.head_dim_v, 1}, {a->seq_len_kv, s[2]}, {a->num_kv_heads, s[1]}, {a->batch, s[0]}};
    describe(b, VALUE, k->type_code, k->type_bits, a->value, a->query, 4, value);
    s = a->stride_lse;
    const axis lse[] = {{fold, s[1]}, {a->seq_len_q, s[2]}, {head_blocks, fold * s[1]}, {a->batch, s[0]}};
    describe(b, LSE, type_float, 32, a->lse, a->query, 4, lse);
    s = a->stride_output;
    const axis output[] = {{k->info.head_dim_v, 1}, {fold, s[1]}, {a->seq_len_q, s[2]}, {head_blocks, fold * s[1]}, {a->batch, s[0]}};
    describe(b, OUTPUT, k->type_code, k->type_bits, a->output, a->query, 5, output);
}

/// A tensor of params without elements, which kernels index all the same where nothing comes of it: one element, anywhere.
static void hold_one_element(attune_buffer *b) {
    bool is_empty = !b->host;
    for (int d = 0; d < b->dimensions; d++)
        is_empty = is_empty || b->dim[d].extent <= 0;
    for (int d = 0; is_empty && d < b->dimensions; d++)
        b->dim[d] = (attune_dimension){.extent = 1};
}

attune_status attune_call_variant(attune_device_call *call, const attune_attention_args *a) {
    const attune_kernel *kernel = call->kernel;
    const attune_device_variant *variant = call->variant;
    const void *interface = call->session.api->interface();
    void *arguments[1 + num_scalars + ATTUNE_MAX_PARAMS + NUM_BUFFERS];
    int n = 0;

    attune_device_call *context = call;
    arguments[n++] = &context;
    int32_t scalars[num_scalars] = {
        (int32_t)a->seq_len_q, (int32_t)a->seq_len_kv, (int32_t)(a->num_heads / variant->fold / a->num_kv_heads),
        a->lengths_q != NULL,  a->lengths_kv != NULL,  a->lse != NULL};
    for (int i = 0; i < num_scalars; i++)
        arguments[n++] = &scalars[i];

    attune_bound_params params;
    attune_bind_params(kernel, a, &params);
    for (uint32_t i = 0; i < kernel->num_params; i++) {
        attune_buffer *b = &params.buffer[i];
        if (kernel->params[i].dimensions) {
            hold_one_element(b);
            b->device = (uint64_t)(uintptr_t)(b->host ? (const void *)b->host : a->query);
            b->host = NULL;
            b->device_interface = interface;
        }
        arguments[n++] = params.argument[i];
    }

    buffers tensors;
    describe_tensors(call, a, &tensors);
    for (int i = 0; i < NUM_BUFFERS; i++) {
        tensors.buffer[i].device_interface = interface;
        arguments[n++] = &tensors.buffer[i];
    }

    const int code = variant->attention(arguments);
    if (!call->status && code)
        call->status =
            attune_fail(ATTUNE_INTERNAL, "kernel %s (%s) failed with code %d; please report it", kernel->info.name, variant->target, code);
    return call->status;
}

attune_status attune_run_on_device(const attune_kernel *kernel, const attune_attention_args *a) {
    attune_status status = attune_check_device_call(kernel, a);
    if (!status)
        status = attune_check_params(kernel, a);
    if (status || a->batch == 0 || a->seq_len_q == 0)
        return status;
    attune_device device = *a->exec->device;
    if (!device.queue)
        device.queue = a->exec->stream;
    attune_device_call call = {.kernel = kernel};
    status = attune_enter_device("exec.device", &device, &call.session);
    if (status)
        return status;
    status = attune_choose_device_variant(kernel, &call.session, a, &call.variant);
    if (!status)
        status = attune_check_device_memory(kernel, call.variant, a);
    if (!status)
        status = attune_call_variant(&call, a);
    attune_leave_device(&call.session);
    return status;
}

/// One row and one key of each head, at no address: kernels are only loaded.
static attune_status prepare(attune_device_call *call) {
    const attune_kernel *kernel = call->kernel;
    void *params = calloc(1, kernel->params_size ? kernel->params_size : 1);
    if (!params)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out for the %u bytes of %s_params", kernel->params_size, kernel->info.name);
    void *const nowhere = call;
    const attune_attention_args args = {.query = nowhere,
                                        .key = nowhere,
                                        .value = nowhere,
                                        .output = nowhere,
                                        .batch = 1,
                                        .num_heads = kernel->info.group > 0 ? kernel->info.group : 1,
                                        .num_kv_heads = 1,
                                        .seq_len_q = 1,
                                        .seq_len_kv = 1,
                                        .params = params};
    const attune_status status = attune_call_variant(call, &args);
    free(params);
    return status;
}

attune_status attune_kernel_prepare(const attune_kernel *kernel, const attune_device *device) {
    attune_status status = attune_check_kernel(kernel);
    attune_device_call call = {.kernel = kernel, .is_preparing = true};
    if (!status)
        status = attune_enter_device("device", device, &call.session);
    if (status)
        return status;
    const attune_device_variant *first = NULL;
    status = attune_choose_device_variant(kernel, &call.session, NULL, &first);
    // Those of its target for other alignments too: which one runs is a matter of each call.
    for (uint32_t i = 0; i < kernel->num_device_variants && !status; i++) {
        call.variant = &kernel->device_variants[i];
        if (call.variant->api == first->api && strcmp(call.variant->target, first->target) == 0)
            status = prepare(&call);
    }
    attune_leave_device(&call.session);
    return status;
}

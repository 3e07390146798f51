#include "device_call.h"

#include "bound_params.h"
#include "dispatch.h"
#include "parts.h"
#include "patterns.h"
#include "status.h"
#include "validate.h"

#include <stdlib.h>
#include <string.h>

/// The buffers after the params, in the order of attune/kernel.h.
enum { LENGTHS_Q, LENGTHS_KV, QUERY, KEY, VALUE, LSE, OUTPUT, NUM_BUFFERS };
/// Those between the params and these, where the kernel has them.
enum { ROW_OFFSETS, COLUMNS, FULL, NUM_LIST_BUFFERS };
enum { num_scalars = 6, max_dims = 5 };
enum { type_int = 0, type_uint = 1, type_float = 2 };

typedef struct buffers {
    attune_buffer buffer[NUM_BUFFERS];
    attune_dimension dim[NUM_BUFFERS][max_dims];
} buffers;

typedef struct list_buffers {
    attune_buffer buffer[NUM_LIST_BUFFERS];
    attune_dimension dim[NUM_LIST_BUFFERS][3];
    int32_t has_full;
} list_buffers;

typedef struct axis {
    int64_t extent, stride;
} axis;

/// A tensor; one without `data`, which is not looked at, stands where query is.
static attune_buffer make_buffer(attune_dimension *dim, uint8_t type_code, uint8_t type_bits, const void *data, const void *query,
                                 int dimensions, const axis axes[]) {
    for (int d = 0; d < dimensions; d++)
        dim[d] = (attune_dimension){.extent = (int32_t)axes[d].extent,
                                    // What is one long has no neighbour to step to, and its stride may be anything.
                                    .stride = data && axes[d].extent > 1 ? (int32_t)axes[d].stride : 0};
    return (attune_buffer){.device = (uint64_t)(uintptr_t)(data ? data : query),
                           .type_code = type_code,
                           .type_bits = type_bits,
                           .type_lanes = 1,
                           .dimensions = dimensions,
                           .dim = dim};
}
static void describe(buffers *b, int which, uint8_t type_code, uint8_t type_bits, const void *data, const void *query, int dimensions,
                     const axis axes[]) {
    b->buffer[which] = make_buffer(b->dim[which], type_code, type_bits, data, query, dimensions, axes);
}

static void describe_tensors(const attune_device_call *call, const attune_attention_args *a, buffers *b) {
    const attune_kernel *k = call->kernel;
    const bool is_packed = a->cu_seqlens_q != NULL;
    const int64_t fold = call->variant->fold, head_blocks = a->num_heads / fold;
    const axis lengths[] = {{a->batch + is_packed, 1}};
    describe(b, LENGTHS_Q, type_int, 32, is_packed ? a->cu_seqlens_q : a->lengths_q, a->query, 1, lengths);
    describe(b, LENGTHS_KV, type_int, 32, is_packed ? a->cu_seqlens_kv : a->lengths_kv, a->query, 1, lengths);

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
    // Packed sequences begin where the kernel finds it in cu_seqlens.
    for (int i = QUERY; i < NUM_BUFFERS && is_packed; i++)
        b->dim[i][b->buffer[i].dimensions - 1].stride = 0;
}

/// The caller's block lists, of which the extents of columns and full are not known.
static void describe_lists(const attune_kernel *kernel, const attune_attention_args *a, list_buffers *b) {
    const attune_block_mask *mask = a->params;
    const int64_t rows = (a->seq_len_q + kernel->block_size_q - 1) / kernel->block_size_q + 1;
    const axis offsets[] = {{rows, 1}, {a->num_heads, mask->stride_head}, {a->batch, mask->stride_batch}}, one[] = {{1, 1}};
    const bool has_lists = a->seq_len_kv > 0;  // else they have not been checked
    b->buffer[ROW_OFFSETS] = make_buffer(b->dim[ROW_OFFSETS], type_int, 32, has_lists ? mask->row_offsets : NULL, a->query, 3, offsets);
    b->buffer[COLUMNS] = make_buffer(b->dim[COLUMNS], type_int, 32, has_lists ? mask->columns : NULL, a->query, 1, one);
    b->buffer[FULL] = make_buffer(b->dim[FULL], type_uint, 8, has_lists ? mask->full : NULL, a->query, 1, one);
    b->has_full = has_lists && mask->full;
}

/// Parts in the workspace, as lse and as output of the kernel that writes them.
typedef struct part_buffers {
    attune_buffer rows, values;
    attune_dimension row_dim[4], value_dim[4];
} part_buffers;

static void describe_parts(const attune_device_call *call, const attune_attention_args *a, part_buffers *b) {
    const attune_parts parts = attune_size_parts(call->kernel, call->variant, a);
    const int64_t of_rows = parts.columns * parts.rows, head_blocks = a->num_heads / call->variant->fold;
    const axis rows[] = {{parts.columns, 1}, {parts.rows, parts.columns}, {head_blocks, of_rows}, {a->batch, of_rows * head_blocks}};
    const axis values[] = {{call->kernel->info.head_dim_v, 1}, rows[1], rows[2], rows[3]};
    b->rows = make_buffer(b->row_dim, type_float, 32, a->workspace, a->query, 4, rows);
    b->values = make_buffer(b->value_dim, type_float, 32, a->workspace, a->query, 4, values);
    b->rows.device_interface = b->values.device_interface = call->session.api->interface();
}

static int32_t kind_of_lengths(const int32_t *lengths, const int32_t *cumulative) {
    return cumulative ? ATTUNE_LENGTHS_CUMULATIVE : lengths ? ATTUNE_LENGTHS_EACH : ATTUNE_LENGTHS_NONE;
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
    void *arguments[1 + num_scalars + ATTUNE_MAX_PARAMS + 1 + NUM_LIST_BUFFERS + 1 + NUM_BUFFERS + 1];
    int n = 0;

    attune_device_call *context = call;
    arguments[n++] = &context;
    int32_t scalars[num_scalars] = {(int32_t)a->seq_len_q,
                                    (int32_t)a->seq_len_kv,
                                    (int32_t)(a->num_heads / variant->fold / a->num_kv_heads),
                                    kind_of_lengths(a->lengths_q, a->cu_seqlens_q),
                                    kind_of_lengths(a->lengths_kv, a->cu_seqlens_kv),
                                    a->lse != NULL};
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

    list_buffers lists;
    if (kernel->block_size_kv) {
        describe_lists(kernel, a, &lists);
        arguments[n++] = &lists.has_full;
        for (int i = 0; i < NUM_LIST_BUFFERS; i++) {
            lists.buffer[i].device_interface = interface;
            arguments[n++] = &lists.buffer[i];
        }
    }
    attune_buffer patterns;
    attune_dimension words;
    if (kernel->num_pattern_words) {
        void *memory;
        call->status = attune_find_patterns(&call->session, kernel, &memory);
        if (call->status)
            return call->status;
        patterns = make_buffer(&words, type_int, 32, memory, a->query, 1, &(axis){kernel->num_pattern_words, 1});
        patterns.device_interface = interface;
        arguments[n++] = &patterns;
    }

    buffers tensors;
    describe_tensors(call, a, &tensors);
    for (int i = 0; i < NUM_BUFFERS; i++) {
        tensors.buffer[i].device_interface = interface;
        arguments[n++] = &tensors.buffer[i];
    }

    int code;
    if (variant->split_keys) {
        part_buffers parts;
        describe_parts(call, a, &parts);
        void **const last = &arguments[n - 2], *const lse = last[0], *const output = last[1];
        last[0] = &parts.rows, last[1] = &parts.values;
        code = variant->attention(arguments);
        last[0] = &parts.rows, last[1] = lse, last[2] = output;
        if (!code && !call->status)
            code = variant->combine(arguments);
    } else {
        code = variant->attention(arguments);
    }
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
                                        .workspace = nowhere,
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

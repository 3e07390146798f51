/// attune_kernel_run_copied: a call on tensors in this machine's memory.
#include "bound_params.h"
#include "device_call.h"
#include "dispatch.h"
#include "status.h"
#include "validate.h"

#include <stdlib.h>
#include <string.h>

/// Arrays on the device that stand for the host's.
enum { max_copies = ATTUNE_NUM_OPERANDS + ATTUNE_MAX_PARAMS + 2 + 3 + 1 };
typedef struct copies {
    const attune_device *device;
    void *memory[max_copies];
    int count;
} copies;

/// Allocates `bytes` and fills them from `host` where is_read. Arrays that are empty or not there stay null.
static attune_status add(copies *c, const void *host, size_t bytes, bool is_read, void **memory) {
    *memory = NULL;
    if (!host || !bytes)
        return ATTUNE_OK;
    attune_status status = attune_device_allocate(c->device, bytes, memory);
    if (status)
        return status;
    c->memory[c->count++] = *memory;
    return is_read ? attune_device_write(c->device, *memory, host, bytes) : ATTUNE_OK;
}

static size_t bytes_of(const attune_operand *t) {
    return (size_t)attune_operand_span(t) * (size_t)t->element_bytes;
}
/// Whether there are elements between the rows of an output: they have to go there and back.
static bool has_gaps(const attune_operand *t) {
    return attune_operand_span(t) != (__int128)t->row_elements * t->extent[0] * t->extent[1] * t->extent[2];
}

static attune_status copy_params(copies *c, const attune_kernel *kernel, const attune_attention_args *host, uint8_t *params) {
    attune_status status = ATTUNE_OK;
    for (uint32_t i = 0; i < kernel->num_params && !status; i++) {
        const attune_param *param = &kernel->params[i];
        attune_tensor *tensor = (attune_tensor *)(params + param->offset);
        if (param->dimensions == 0)
            continue;
        // Without keys only what a sink needs has been checked, and nothing else is looked at.
        const bool is_read = host->seq_len_kv > 0 || (kernel->has_sink && !attune_has_keys(param));
        const __int128 span = is_read ? attune_tensor_span(param, tensor) : 0;
        void *memory = NULL;
        if (span > 0 && span <= INT32_MAX)
            status = add(c, tensor->data, (size_t)span * (param->type_bits / 8u), true, &memory);
        tensor->data = memory;
    }
    return status;
}

/// Block lists, whose arrays end with the last entry that a call reads.
static attune_status copy_lists(copies *c, const attune_kernel *kernel, const attune_attention_args *host, attune_block_mask *mask) {
    const attune_block_mask lists = *mask;
    mask->row_offsets = mask->columns = NULL;
    mask->full = NULL;
    if (!kernel->block_size_kv || host->seq_len_kv == 0)
        return ATTUNE_OK;
    int64_t num_offsets = 0, num_columns = 0;
    for (int64_t b = 0; b < host->batch; b++)
        for (int64_t h = 0; h < host->num_heads; h++) {
            const int64_t rows = host->cu_seqlens_q ? host->cu_seqlens_q[b + 1] - host->cu_seqlens_q[b] : host->seq_len_q,
                          first = b * lists.stride_batch + h * lists.stride_head,
                          end = first + (rows + kernel->block_size_q - 1) / kernel->block_size_q + 1;
            num_offsets = end > num_offsets ? end : num_offsets;
            if (rows > 0 && lists.row_offsets[end - 1] > num_columns)
                num_columns = lists.row_offsets[end - 1];
        }
    void *memory[3];
    attune_status status = add(c, lists.row_offsets, (size_t)num_offsets * sizeof(int32_t), true, &memory[0]);
    // Of lists without a block an entry that nothing reads: there has to be an array.
    if (!status)
        status = add(c, num_columns ? lists.columns : lists.row_offsets, (size_t)(num_columns ? num_columns : 1) * sizeof(int32_t), true,
                     &memory[1]);
    if (!status)
        status = add(c, lists.full, (size_t)num_columns, true, &memory[2]);
    if (status)
        return status;
    mask->row_offsets = memory[0];
    mask->columns = memory[1];
    mask->full = memory[2];
    return ATTUNE_OK;
}

static attune_status run(copies *c, const attune_kernel *kernel, const attune_attention_args *host, uint8_t *params) {
    attune_operand tensors[ATTUNE_NUM_OPERANDS];
    attune_list_operands(kernel, host, tensors);
    void *memory[ATTUNE_NUM_OPERANDS] = {NULL}, *lengths_q = NULL, *lengths_kv = NULL;
    attune_status status = ATTUNE_OK;
    for (int i = 0; i < ATTUNE_NUM_OPERANDS && !status; i++)
        // Of packed sequences the rows after the last stay as they are, so they go there and back too.
        status =
            add(c, tensors[i].data, bytes_of(&tensors[i]), i < ATTUNE_OUTPUT || has_gaps(&tensors[i]) || host->cu_seqlens_q, &memory[i]);
    const size_t lengths_bytes = (size_t)host->batch * sizeof(int32_t), cu_bytes = lengths_bytes + sizeof(int32_t);
    void *cu_q = NULL, *cu_kv = NULL;
    if (!status)
        status = add(c, host->lengths_q, lengths_bytes, true, &lengths_q);
    if (!status)
        status = add(c, host->lengths_kv, lengths_bytes, true, &lengths_kv);
    if (!status)
        status = add(c, host->cu_seqlens_q, cu_bytes, true, &cu_q);
    if (!status)
        status = add(c, host->cu_seqlens_kv, cu_bytes, true, &cu_kv);
    if (!status && kernel->block_size_kv)
        status = copy_lists(c, kernel, host, (attune_block_mask *)params);
    if (!status)
        status = copy_params(c, kernel, host, params);
    if (status)
        return status;

    const attune_exec exec = {.size = sizeof exec, .device = c->device};
    attune_attention_args args = *host;
    args.query = memory[ATTUNE_QUERY], args.key = memory[ATTUNE_KEY], args.value = memory[ATTUNE_VALUE];
    args.output = memory[ATTUNE_OUTPUT], args.lse = memory[ATTUNE_LSE];
    args.lengths_q = lengths_q, args.lengths_kv = lengths_kv;
    args.cu_seqlens_q = cu_q, args.cu_seqlens_kv = cu_kv;
    args.params = host->params ? params : NULL;
    args.exec = &exec;
    args.workspace_size = attune_kernel_workspace_size(kernel, &args);
    status = add(c, host->query, args.workspace_size, false, &args.workspace);
    if (status)
        return status;
    status = attune_kernel_run(kernel, &args);
    for (int i = ATTUNE_OUTPUT; i <= ATTUNE_LSE && !status; i++)
        if (memory[i])
            status = attune_device_read(c->device, (void *)tensors[i].data, memory[i], bytes_of(&tensors[i]));
    return status;
}

attune_status attune_kernel_run_copied(const attune_kernel *kernel, const attune_attention_args *args, const attune_device *device) {
    attune_status status = attune_check_kernel(kernel);
    if (status)
        return status;
    if (!args || args->size != sizeof *args)
        return attune_check_structs(args);
    attune_attention_args host = *args;  // numbers as given, pointers checked as addresses of this machine
    host.exec = NULL;
    host.workspace = NULL;
    host.workspace_size = 0;
    status = attune_check_structs(&host);
    if (!status)
        status = attune_check_device_call(kernel, &host);
    if (!status)
        status = attune_check_params(kernel, &host);
    if (!status)
        status = attune_check_memory(kernel, &host, 0);
    if (status || host.batch == 0 || host.seq_len_q == 0)
        return status;

    uint8_t *params = malloc(kernel->params_size ? kernel->params_size : 1);
    if (!params)
        return attune_fail(ATTUNE_OUT_OF_MEMORY, "memory ran out for the %u bytes of %s_params", kernel->params_size, kernel->info.name);
    if (host.params)
        memcpy(params, host.params, kernel->params_size);
    copies c = {.device = device};
    status = run(&c, kernel, &host, params);
    if (status && c.count)
        attune_device_synchronize(device);  // what was enqueued may still use the memory
    for (int i = 0; i < c.count; i++)
        attune_device_free_memory(device, c.memory[i]);
    free(params);
    return status;
}

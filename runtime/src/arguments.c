#include "arguments.h"

#include <string.h>

attune_buffer *attune_array(attune_slice *s, uint8_t type_code, uint8_t type_bits, void *data, int64_t count) {
    s->dim[0] = (attune_dimension){.extent = (int32_t)count, .stride = 1};
    s->buffer =
        (attune_buffer){.host = data, .type_code = type_code, .type_bits = type_bits, .type_lanes = 1, .dimensions = 1, .dim = s->dim};
    return &s->buffer;
}

attune_buffer *attune_matrix(attune_slice *s, uint8_t type_code, uint8_t type_bits, void *data, int64_t columns, int64_t rows) {
    attune_array(s, type_code, type_bits, data, columns);
    s->dim[1] = (attune_dimension){.extent = (int32_t)rows, .stride = (int32_t)columns};
    s->buffer.dimensions = 2;
    return &s->buffer;
}

int attune_run_task(const attune_call *call, attune_task_fn function, attune_block_arguments *block, void *const *others, int count) {
    enum { max_others = 16 };
    void *arguments[ATTUNE_MAX_BLOCK_ARGUMENTS + max_others];
    int n = 0;
    arguments[n++] = &block->scratch;
    for (int32_t *scalar = &block->batch; scalar <= &block->num_positions; scalar++)
        arguments[n++] = scalar;
    for (uint32_t i = 0; i < call->kernel->num_params; i++)
        arguments[n++] = call->params.argument[i];
    memcpy(arguments + n, others, (size_t)count * sizeof *others);
    block->scratch->used = 0;
    return function(arguments);
}

/// A C application: compiles as C11, links without libstdc++, registers a kernel from a constructor and runs it.
#include "attune/kernel.h"

#include <stdio.h>
#include <stdlib.h>

/// Copies the first value row: attention with one key.
static int exact(void **arguments) {
    const attune_buffer *value = arguments[12], *output = arguments[15];
    for (int i = 0; i < output->dim[2].extent; i++)
        for (int d = 0; d < output->dim[0].extent; d++)
            ((float *)output->host)[i * output->dim[2].stride + d] = ((const float *)value->host)[d];
    return 0;
}

static const attune_kernel_variant variants[] = {
    {.target = "sse41", .block_q = 8, .fold = 1, .strip_rows = 8, .strips = 1, .block_kv = 16, .tile_kv = 4, .exact = exact}};
static attune_kernel kernel = {
    .abi = ATTUNE_KERNEL_ABI,
    .num_variants = 1,
    .type_code = 2,
    .type_bits = 32,
    .info = {.name = "c_only", .id = "attune_c_only", .dtype = "f32", .mask = "true", .head_dim = 2, .head_dim_v = 2},
    .cache = {.type_code = 2, .type_bits = 32, .key_elements = 2, .value_elements = 2},
    .variants = variants};
__attribute__((constructor)) static void enroll(void) {
    attune_register_kernel(&kernel);
}

int main(void) {
    float query[6] = {0}, key[2] = {0}, value[2] = {3, 4}, output[6] = {0};
    attune_attention_args args = {.size = sizeof args,
                                  .version = ATTUNE_ATTENTION_ARGS_VERSION,
                                  .query = query,
                                  .key = key,
                                  .value = value,
                                  .output = output,
                                  .batch = 1,
                                  .num_heads = 1,
                                  .num_kv_heads = 1,
                                  .seq_len_q = 3,
                                  .seq_len_kv = 1,
                                  .stride_query = {0, 0, 2},
                                  .stride_key = {0, 0, 2},
                                  .stride_value = {0, 0, 2},
                                  .stride_output = {0, 0, 2}};
    const attune_kernel *found = attune_kernel_find("c_only");
    args.workspace_size = attune_kernel_workspace_size(found, &args);
    args.workspace = aligned_alloc(64, args.workspace_size);
    attune_status status = attune_kernel_run(found, &args);
    if (status)
        fprintf(stderr, "%s: %s\n", attune_status_string(status), attune_last_error());
    free(args.workspace);
    return status == ATTUNE_OK && output[4] == 3 && output[5] == 4 ? 0 : 1;
}

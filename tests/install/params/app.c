/// Kernels with run-time arguments, from C: each against the same attention as plain loops.
#include "listed_blocks.h"
#include "lower_blocks.h"
#include "packed_documents.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { batch = 2, heads = 3, rows = 40, dim = 16 };
static float query[batch * heads * rows * dim], key[batch * heads * rows * dim], value[batch * heads * rows * dim], output[batch * heads * rows * dim];
static int32_t ids[batch][rows];
static const float slopes[heads] = {0.5f, 0.25f, 0.125f};
static const int window_left = 9;
static const uint8_t blocks[3][2] = {{1, 0}, {0, 1}, {1, 1}};  // 16 rows, 32 keys

typedef struct rule {
    const char *name;
    int (*visible)(int b, int q, int kv);
    double (*bias)(int h, int q, int kv);
    double extra; ///< beside the sum of the weights
} rule;

static int in_document(int b, int q, int kv) { return kv <= q && q - kv <= window_left && ids[b][q] == ids[b][kv]; }
static int in_lower_blocks(int b, int q, int kv) { return (void)b, (kv < 16 ? kv / 8 : 1) <= (q < 16 ? q / 8 : 1); }
static int in_list(int b, int q, int kv) { return (void)b, blocks[q / 16][kv / 32]; }
static double alibi(int h, int q, int kv) { return -slopes[h] * abs(q - kv); }
static double none(int h, int q, int kv) { return (void)h, (void)q, (void)kv, 0; }

static double difference(const rule *r, int b, int h, int q) {
    const int head = (b * heads + h) * rows * dim;
    double sum = r->extra, out[dim] = {0}, worst = 0;
    for (int kv = 0; kv < rows; kv++) {
        double s = 0;
        for (int d = 0; d < dim; d++)
            s += (double)query[head + q * dim + d] * key[head + kv * dim + d];
        if (!r->visible(b, q, kv))
            continue;
        const double weight = exp(s / 4 + r->bias(h, q, kv));
        sum += weight;
        for (int d = 0; d < dim; d++)
            out[d] += weight * value[head + kv * dim + d];
    }
    for (int d = 0; d < dim; d++)
        worst = fmax(worst, fabs(out[d] / sum - output[head + q * dim + d]));
    return worst;
}

static int check(const rule *r, const attune_kernel *kernel, const void *params) {
    attune_attention_args args = {.size = sizeof args, .version = ATTUNE_ATTENTION_ARGS_VERSION, .query = query, .key = key, .value = value, .output = output,
                                  .batch = batch, .num_heads = heads, .num_kv_heads = heads, .seq_len_q = rows, .seq_len_kv = rows, .params = params};
    int64_t *strides[] = {args.stride_query, args.stride_key, args.stride_value, args.stride_output};
    for (int i = 0; i < 4; i++)
        strides[i][0] = heads * rows * dim, strides[i][1] = rows * dim, strides[i][2] = dim;
    args.workspace_size = attune_kernel_workspace_size(kernel, &args);
    args.workspace = aligned_alloc(64, (args.workspace_size + 63) / 64 * 64 + 64);
    if (attune_kernel_run(kernel, &args)) {
        printf("%s: %s\n", r->name, attune_last_error());
        return 1;
    }
    free(args.workspace);
    double worst = 0;
    for (int b = 0; b < batch; b++)
        for (int h = 0; h < heads; h++)
            for (int q = 0; q < rows; q++)
                worst = fmax(worst, difference(r, b, h, q));
    printf("%s: off by at most %.2g\n", r->name, worst);
    return !(worst < 1e-5);
}

int main(void) {
    for (int i = 0; i < batch * heads * rows * dim; i++) {
        query[i] = sinf((float)i);
        key[i] = cosf(1.7f * (float)i);
        value[i] = sinf(0.3f * (float)i);
    }
    for (int b = 0; b < batch; b++)
        for (int i = 0; i < rows; i++)
            ids[b][i] = i / (7 + b);
    const packed_documents_params documents = {.window_left = window_left, .ids = {.data = ids, .extent = {batch, rows}}, .slopes = {.data = slopes, .extent = {heads}}};
    const rule document_rule = {"packed_documents", in_document, alibi, 0};

    int32_t row_offsets[4], columns[6];
    attune_list_blocks(&blocks[0][0], 3, 2, 0, row_offsets, columns);
    const listed_blocks_params lists = {.block_mask = {.row_offsets = row_offsets, .columns = columns}};
    const rule list_rule = {"listed_blocks", in_list, none, 1}, lower_rule = {"lower_blocks", in_lower_blocks, none, 0};

    const int failed = check(&document_rule, &packed_documents_kernel, &documents) + check(&list_rule, &listed_blocks_kernel, &lists) +
                       check(&lower_rule, &lower_blocks_kernel, NULL);
    // Without its arguments, a kernel says so.
    const attune_attention_args args = {.size = sizeof args, .version = ATTUNE_ATTENTION_ARGS_VERSION, .batch = 1, .num_heads = 1, .num_kv_heads = 1};
    const int refused = packed_documents(&args) == ATTUNE_INVALID_ARGUMENT;
    printf("%s\n", attune_last_error());
    return failed || !refused;
}

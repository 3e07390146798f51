/// Each kernel on the target that ATTUNE_FORCE_TARGET names, on three threads, against causal attention as plain loops. A kernel that has no
/// such variant, or one that this CPU does not run, says why and is skipped.
#include "halves.h"
#include "pairs.h"
#include "quads.h"
#include "singles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { heads = 3, rows = 301, dim = 40, size = heads * rows * dim };
enum { f32, f16, bf16 };
static float query[size], key[size], value[size], output[size];

static void encode(const float *from, void *to, int type) {
    for (int i = 0; i < size; i++) {
        uint32_t bits;
        memcpy(&bits, &from[i], sizeof bits);
        if (type == f32)
            ((float *)to)[i] = from[i];
        else if (type == f16)
            ((_Float16 *)to)[i] = (_Float16)from[i];
        else
            ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
    }
}

static void decode(const void *from, float *to, int type) {
    for (int i = 0; i < size; i++) {
        if (type == f32) {
            to[i] = ((const float *)from)[i];
        } else if (type == f16) {
            to[i] = (float)((const _Float16 *)from)[i];
        } else {
            const uint32_t bits = (uint32_t)((const uint16_t *)from)[i] << 16;
            memcpy(&to[i], &bits, sizeof bits);
        }
    }
}

static double difference(int h, int q) {
    const int head = h * rows * dim;
    double sum = 0, out[dim] = {0}, worst = 0;
    for (int kv = 0; kv <= q; kv++) {
        double s = 0;
        for (int d = 0; d < dim; d++)
            s += (double)query[head + q * dim + d] * key[head + kv * dim + d];
        const double weight = exp(s / sqrt(dim));
        sum += weight;
        for (int d = 0; d < dim; d++)
            out[d] += weight * value[head + kv * dim + d];
    }
    for (int d = 0; d < dim; d++)
        worst = fmax(worst, fabs(out[d] / sum - output[head + q * dim + d]));
    return worst;
}

/// 1 where the result is wrong.
static int check(const attune_kernel *kernel, const char *name, int type, double tolerance) {
    void *arrays[4];
    for (int i = 0; i < 4; i++)
        arrays[i] = aligned_alloc(64, (sizeof(float) * size + 63) / 64 * 64);
    encode(query, arrays[0], type), encode(key, arrays[1], type), encode(value, arrays[2], type);
    const attune_exec threads = {.size = sizeof threads, .num_threads = 3};
    attune_attention_args args = {.size = sizeof args, .version = ATTUNE_ATTENTION_ARGS_VERSION, .query = arrays[0], .key = arrays[1], .value = arrays[2],
                                  .output = arrays[3], .batch = 1, .num_heads = heads, .num_kv_heads = heads, .seq_len_q = rows, .seq_len_kv = rows,
                                  .exec = &threads};
    int64_t *strides[] = {args.stride_query, args.stride_key, args.stride_value, args.stride_output};
    for (int i = 0; i < 4; i++)
        strides[i][0] = size, strides[i][1] = rows * dim, strides[i][2] = dim;
    args.workspace_size = attune_kernel_workspace_size(kernel, &args);
    args.workspace = args.workspace_size ? aligned_alloc(64, (args.workspace_size + 63) / 64 * 64) : NULL;
    const attune_status status = attune_kernel_run(kernel, &args);
    double worst = 0;
    if (status == ATTUNE_OK) {
        decode(arrays[3], output, type);
        for (int h = 0; h < heads; h++)
            for (int q = 0; q < rows; q++)
                worst = fmax(worst, difference(h, q));
        printf("%s ran on %s: off by at most %.2g\n", name, attune_kernel_target(kernel), worst);
    } else {
        printf("%s %s: %s\n", name, status == ATTUNE_UNSUPPORTED_CPU ? "skipped" : "failed", attune_last_error());
    }
    free(args.workspace);
    for (int i = 0; i < 4; i++)
        free(arrays[i]);
    return status == ATTUNE_OK ? !(worst < tolerance) : status != ATTUNE_UNSUPPORTED_CPU;
}

int main(void) {
    for (int i = 0; i < size; i++) {
        query[i] = sinf((float)i);
        key[i] = cosf(1.7f * (float)i);
        value[i] = sinf(0.3f * (float)i);
    }
    return check(&singles_kernel, "singles", f32, 1e-5) + check(&pairs_kernel, "pairs", bf16, 2e-2) + check(&halves_kernel, "halves", f16, 1e-2) +
           check(&quads_kernel, "quads", f32, 1e-2);
}

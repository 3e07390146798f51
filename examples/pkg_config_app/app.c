/* Causal attention with log-sum-exp in plain C: 2 new tokens after a cache of 5, compared with the equation as loops. */
#include "decoder_d128.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { heads = 4, kv_heads = 2, seq_q = 2, seq_kv = 7, dim = 128 };
static float query[heads * seq_q * dim], key[kv_heads * seq_kv * dim], value[kv_heads * seq_kv * dim];
static float output[heads * seq_q * dim], lse[heads * seq_q];

static double largest_difference;
static void note(double difference) {
    if (!(fabs(difference) <= largest_difference))
        largest_difference = fabs(difference); /* keeps a NaN */
}

int main(void) {
    for (int i = 0; i < heads * seq_q * dim; ++i)
        query[i] = sinf(0.7f * i);
    for (int i = 0; i < kv_heads * seq_kv * dim; ++i) {
        key[i] = sinf(0.3f * i);
        value[i] = cosf(0.1f * i);
    }

    attune_attention_args args = {
        .size = sizeof args,
        .version = ATTUNE_ATTENTION_ARGS_VERSION,
        .query = query,
        .key = key,
        .value = value,
        .output = output,
        .lse = lse,
        .batch = 1,
        .num_heads = heads,
        .num_kv_heads = kv_heads,
        .seq_len_q = seq_q,
        .seq_len_kv = seq_kv,
        .stride_query = {heads * seq_q * dim, seq_q * dim, dim},
        .stride_key = {kv_heads * seq_kv * dim, seq_kv * dim, dim},
        .stride_value = {kv_heads * seq_kv * dim, seq_kv * dim, dim},
        .stride_output = {heads * seq_q * dim, seq_q * dim, dim},
        .stride_lse = {heads * seq_q, seq_q, 1},
    };
    args.workspace_size = decoder_d128_workspace_size(&args);
    args.workspace = aligned_alloc(64, (args.workspace_size + 63) / 64 * 64);
    if (decoder_d128(&args) != ATTUNE_OK) {
        fprintf(stderr, "%s\n", attune_last_error());
        return 1;
    }
    free(args.workspace);

    for (int h = 0; h < heads; ++h)
        for (int i = 0; i < seq_q; ++i) {
            const int kv_head = h / (heads / kv_heads), row = h * seq_q + i;
            double weighted[dim] = {0}, total = 0;
            for (int j = 0; j <= i + seq_kv - seq_q; ++j) { /* aligned at the end: the last query sees every key */
                const int at = (kv_head * seq_kv + j) * dim;
                double dot = 0;
                for (int d = 0; d < dim; ++d)
                    dot += (double)query[row * dim + d] * key[at + d];
                const double weight = exp(dot / sqrt(dim));
                total += weight;
                for (int d = 0; d < dim; ++d)
                    weighted[d] += weight * value[at + d];
            }
            for (int d = 0; d < dim; ++d)
                note(output[row * dim + d] - weighted[d] / total);
            note(lse[row] - log(total));
        }
    printf("pkg_config_app: largest difference from loops in double: %.1e\n", largest_difference);
    return largest_difference < 1e-5 ? 0 : 1;
}

#pragma once
#include "generator/cli/shape.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <vector>

namespace attune::bench {

/// A problem that some model has: one row of the table, measured in each dtype.
struct BenchShape {
    const char *name;
    cli::Shape shape;
    int head_dim = 64, head_dim_v = 64;
    const char *mask = "none";
    bool padding = false;  ///< sequences of different lengths, see padding_lengths
};

/// What this version covers; windows, biases and caches come with the kernels for them.
inline const std::vector<BenchShape> bench_shapes = {
    // name                        batch heads kv_heads seq_q seq_kv
    {.name = "minilm", .shape = {12, 12, 12, 24, 24}, .head_dim = 32, .head_dim_v = 32, .padding = true},  // the demo's sentences
    {.name = "bert-base-384", .shape = {8, 12, 12, 384, 384}, .padding = true},
    {.name = "bert-large-14", .shape = {14, 16, 16, 384, 384}, .padding = true},  // a quarter of torchao's batch of 56
    {.name = "vit-b16", .shape = {8, 12, 12, 197, 197}},                          // a length that no block divides
    {.name = "nanogpt-none", .shape = {1, 25, 25, 1024, 1024}},
    {.name = "nanogpt-causal", .shape = {1, 25, 25, 1024, 1024}, .mask = "causal"},
    {.name = "ort-mha-1024-d64", .shape = {1, 8, 8, 1024, 1024}},
    {.name = "ort-mha-1024-d128", .shape = {1, 8, 8, 1024, 1024}, .head_dim = 128, .head_dim_v = 128},
    {.name = "ort-mha-4096-d64", .shape = {1, 8, 8, 4096, 4096}},
    {.name = "ort-mha-4096-d128", .shape = {1, 8, 8, 4096, 4096}, .head_dim = 128, .head_dim_v = 128},
    {.name = "whisper-enc", .shape = {1, 20, 20, 1500, 1500}},
    {.name = "whisper-cross", .shape = {1, 20, 20, 1, 1500}},  // one query: lanes of queries idle
    {.name = "sd15-self", .shape = {2, 8, 8, 4096, 4096}, .head_dim = 40, .head_dim_v = 40},
    {.name = "sdxl-cross", .shape = {2, 10, 10, 4096, 77}},
    {.name = "llama3-prefill-8-2", .shape = {1, 8, 2, 2048, 2048}, .head_dim = 128, .head_dim_v = 128, .mask = "causal"},
    {.name = "llama3-chunk", .shape = {1, 8, 2, 256, 8192}, .head_dim = 128, .head_dim_v = 128, .mask = "causal"},
    {.name = "qwen-small", .shape = {1, 14, 2, 2048, 2048}, .mask = "causal"},
    {.name = "mla-prefill", .shape = {1, 16, 16, 1024, 1024}, .head_dim = 192, .head_dim_v = 128, .mask = "causal"},
};

/// Rows and keys in use of each sequence, between 9/16 of seq_len and all of it, in no order.
inline std::vector<int32_t> padding_lengths(int64_t batch, int64_t seq_len) {
    std::vector<int32_t> lengths;
    for (int64_t b = 0; b < batch; b++)
        lengths.push_back(static_cast<int32_t>(seq_len - b * 5 % 8 * seq_len / 16));
    return lengths;
}

}  // namespace attune::bench

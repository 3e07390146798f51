#pragma once
#include "generator/cli/shape.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace attune::bench {

/// What a specification says of pairs.
struct PairsText {
    const char *mask = "none", *score = "s", *params = "";
    double block_density = 0;                      ///< not 0: random block lists of 128 x 128 that hold this share of the blocks
    std::function<double(int64_t)> integers = {};  ///< the i-th element of i32 parameters; others are random
};
inline const PairsText causal = {.mask = "causal"};
/// 16 documents of 512 tokens each.
inline const PairsText documents_16 = {
    .mask = "document(ids)", .params = "ids: i32[b, kv] nondecreasing", .integers = [](int64_t i) { return double(i / 512); }};

/// A problem that some model has: one row of the table, measured in each dtype.
struct BenchShape {
    const char *name;
    cli::Shape shape;
    int head_dim = 64, head_dim_v = 64;
    PairsText pairs = {};
    bool padding = false;  ///< sequences of different lengths, see padding_lengths
    bool decode = false;   ///< a kernel of that phase: few rows against a cache, measured by GB/s
};

inline const std::vector<BenchShape> bench_shapes = {
    // name                        batch heads kv_heads seq_q seq_kv
    {.name = "minilm", .shape = {12, 12, 12, 24, 24}, .head_dim = 32, .head_dim_v = 32, .padding = true},  // the demo's sentences
    {.name = "bert-base-384", .shape = {8, 12, 12, 384, 384}, .padding = true},
    {.name = "bert-large-14", .shape = {14, 16, 16, 384, 384}, .padding = true},  // a quarter of torchao's batch of 56
    {.name = "vit-b16", .shape = {8, 12, 12, 197, 197}},                          // a length that no block divides
    {.name = "nanogpt-none", .shape = {1, 25, 25, 1024, 1024}},
    {.name = "nanogpt-causal", .shape = {1, 25, 25, 1024, 1024}, .pairs = causal},
    {.name = "ort-mha-1024-d64", .shape = {1, 8, 8, 1024, 1024}},
    {.name = "ort-mha-1024-d128", .shape = {1, 8, 8, 1024, 1024}, .head_dim = 128, .head_dim_v = 128},
    {.name = "ort-mha-4096-d64", .shape = {1, 8, 8, 4096, 4096}},
    {.name = "ort-mha-4096-d128", .shape = {1, 8, 8, 4096, 4096}, .head_dim = 128, .head_dim_v = 128},
    {.name = "whisper-enc", .shape = {1, 20, 20, 1500, 1500}},
    {.name = "whisper-cross", .shape = {1, 20, 20, 1, 1500}},  // one query: lanes of queries idle
    {.name = "sd15-self", .shape = {2, 8, 8, 4096, 4096}, .head_dim = 40, .head_dim_v = 40},
    {.name = "sdxl-cross", .shape = {2, 10, 10, 4096, 77}},
    {.name = "llama3-prefill-8-2", .shape = {1, 8, 2, 2048, 2048}, .head_dim = 128, .head_dim_v = 128, .pairs = causal},
    {.name = "llama3-chunk", .shape = {1, 8, 2, 256, 8192}, .head_dim = 128, .head_dim_v = 128, .pairs = causal},
    {.name = "qwen-small", .shape = {1, 14, 2, 2048, 2048}, .pairs = causal},
    {.name = "mla-prefill", .shape = {1, 16, 16, 1024, 1024}, .head_dim = 192, .head_dim_v = 128, .pairs = causal},
    {.name = "window-256", .shape = {1, 8, 2, 4096, 4096}, .head_dim = 128, .head_dim_v = 128, .pairs = {.mask = "causal && window(255)"}},
    {.name = "blocks-tenth", .shape = {1, 8, 8, 8192, 8192}, .head_dim = 128, .head_dim_v = 128, .pairs = {.block_density = 0.1}},
    {.name = "documents-16", .shape = {1, 8, 2, 8192, 8192}, .head_dim = 128, .head_dim_v = 128, .pairs = documents_16},
    {.name = "alibi-causal",
     .shape = {1, 32, 32, 2048, 2048},
     .head_dim = 128,
     .head_dim_v = 128,
     .pairs = {.mask = "causal", .score = "alibi(m)", .params = "m: f32[h]"}},
    {.name = "gemma2-softcap",
     .shape = {1, 8, 4, 4096, 4096},
     .head_dim = 256,
     .head_dim_v = 256,
     .pairs = {.mask = "causal", .score = "softcap(s, 50)"}},
    {.name = "decode-llama3", .shape = {1, 32, 8, 1, 8192}, .head_dim = 128, .head_dim_v = 128, .pairs = causal, .decode = true},
    {.name = "decode-mha", .shape = {1, 32, 32, 1, 4096}, .head_dim = 128, .head_dim_v = 128, .pairs = causal, .decode = true},
    {.name = "decode-batch8", .shape = {8, 32, 8, 1, 2048}, .head_dim = 128, .head_dim_v = 128, .pairs = causal, .decode = true},
    {.name = "decode-draft4", .shape = {1, 32, 8, 4, 8192}, .head_dim = 128, .head_dim_v = 128, .pairs = causal, .decode = true},
    {.name = "swin-bias",
     .shape = {1024, 3, 3, 49, 49},
     .head_dim = 32,
     .head_dim_v = 32,
     .pairs = {.score = "s + bias", .params = "bias: f32[h, q, kv]"}},
};

/// Rows and keys in use of each sequence, between 9/16 of seq_len and all of it, in no order.
inline std::vector<int32_t> padding_lengths(int64_t batch, int64_t seq_len) {
    std::vector<int32_t> lengths;
    for (int64_t b = 0; b < batch; b++)
        lengths.push_back(static_cast<int32_t>(seq_len - b * 5 % 8 * seq_len / 16));
    return lengths;
}

}  // namespace attune::bench

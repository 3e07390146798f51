#include "attune_attention.h"

#include <stdexcept>

namespace {

// The kernels run on the threads that the matrix products use: two pools would wait for each other's cores.
int on_openmp_threads(void *threads, int32_t count, void (*body)(void *data, int32_t index), void *data) {
#pragma omp parallel for schedule(dynamic) num_threads(*static_cast <int *>(threads))
    for (int32_t i = 0; i < count; ++i)
        body(data, i);
    return 0;
}

attune::Shape query_shape(const AttentionCall &call) {
    return {.heads = call.num_heads, .seq_len = call.tokens, .head_dim = call.head_dim};
}

void expect(const attune::Status &status) {
    if (!status)
        throw std::runtime_error(std::string(status.message()));
}

}  // namespace

void AttuneAttention::operator()(const AttentionCall &call) {
    KvCache &cache = *call.cache;
    append(call, cache, call.layer);
    // One row has its head's elements in vector lanes; with a prompt's many rows, lanes are rows.
    if (call.tokens == 1) {
        decode(call);
    } else if (cache.format() == CacheFormat::f32) {
        prefill(call, cache, call.layer);
    } else if (cache.length() == 0) {
        KvCache floats(CacheFormat::f32, 1, call.num_kv_heads, call.head_dim,
                       call.tokens);  // the prompt itself, for as long as it is at work
        append(call, floats, 0);
        prefill(call, floats, 0);
    } else {
        decode(call);
    }
}

// Turns the keys to their positions and rounds keys and values to what the cache keeps.
void AttuneAttention::append(const AttentionCall &call, KvCache &cache, int64_t layer) {
    const attune::Shape rows{.heads = call.num_kv_heads, .seq_len = call.tokens, .head_dim = call.head_dim};
    const auto length = static_cast<int32_t>(cache.length());
    const KvCache::Layer to = cache.layer(layer);
    int threads = call.threads;
    expect(attune::find(decode_name(cache.format()))
               .append({.new_key = attune::bshd(call.key, rows),
                        .new_value = attune::bshd(call.value, rows),
                        .key = to.key,
                        .value = to.value,
                        .cache = to.beside,
                        .lengths_kv = {&length, 1},
                        .num_threads = threads,
                        .parallel_for = on_openmp_threads,
                        .parallel_context = &threads}));
}

// Kernels of prefill turn nothing: the queries are turned before.
void AttuneAttention::prefill(const AttentionCall &call, KvCache &cache, int64_t layer) {
    turned_.assign(call.query, call.query + call.tokens * call.num_heads * call.head_dim);
    call.rope->rotate(turned_.data(), call.num_heads, call.tokens, cache.length());
    const auto length = static_cast<int32_t>(cache.length() + call.tokens);
    const KvCache::Layer from = cache.layer(layer);
    int threads = call.threads;
    expect(prefill_({.query = attune::bshd(turned_.data(), query_shape(call)),
                     .key = from.key,
                     .value = from.value,
                     .output = attune::bshd(call.output, query_shape(call)),
                     .lengths_kv = {&length, 1},
                     .num_threads = threads,
                     .parallel_for = on_openmp_threads,
                     .parallel_context = &threads},
                    workspace_));
}

void AttuneAttention::decode(const AttentionCall &call) {
    const auto length = static_cast<int32_t>(call.cache->length() + call.tokens);
    const KvCache::Layer from = call.cache->layer(call.layer);
    int threads = call.threads;
    expect(attune::find(decode_name(call.cache->format()))({.query = attune::bshd(call.query, query_shape(call)),
                                                            .key = from.key,
                                                            .value = from.value,
                                                            .output = attune::bshd(call.output, query_shape(call)),
                                                            .lengths_kv = {&length, 1},
                                                            .cache = from.beside,
                                                            .num_threads = threads,
                                                            .parallel_for = on_openmp_threads,
                                                            .parallel_context = &threads},
                                                           workspace_));
}

std::string AttuneAttention::decode_name(CacheFormat format) {
    return format == CacheFormat::f32 ? "smollm_decode" : std::string("smollm_decode_") + name_of(format);
}

std::string AttuneAttention::target() {
    const attune::Kernel kernel = attune::find("smollm_decode");
    return kernel.supported() ? std::string(kernel.target()) : "no target that fits this CPU";
}

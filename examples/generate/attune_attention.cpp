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

}  // namespace

void AttuneAttention::operator()(const AttentionCall &call) {
    const attune::Shape query{.heads = call.num_heads, .seq_len = call.tokens, .head_dim = call.head_dim};
    const attune::Shape cache{.heads = call.num_kv_heads, .seq_len = call.capacity, .head_dim = call.head_dim};
    const auto length = static_cast<int32_t>(call.length);
    int threads = call.threads;
    // One row has its head's elements in vector lanes; with a prompt's many rows, lanes are rows. Both read the cache as it lies.
    const attune::Kernel &kernel = call.tokens == 1 ? decode_ : prefill_;
    const attune::Status status = kernel({.query = attune::bshd(call.query, query),
                                          .key = attune::bhsd(call.key, cache),
                                          .value = attune::bhsd(call.value, cache),
                                          .output = attune::bshd(call.output, query),
                                          .lengths_kv = {&length, 1},
                                          .num_threads = threads,
                                          .parallel_for = on_openmp_threads,
                                          .parallel_context = &threads},
                                         workspace_);
    if (!status)
        throw std::runtime_error(std::string(status.message()));
}

std::string AttuneAttention::target() {
    const attune::Kernel kernel = attune::find("smollm_decode");
    return kernel.supported() ? std::string(kernel.target()) : "no target that fits this CPU";
}

#include "attune_attention.h"

#include "minilm_attention.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <stdexcept>

void AttuneAttention::Free::operator()(void *memory) const {
    std::free(memory);
}

void AttuneAttention::operator()(const AttentionCall &call) {
    attune_exec exec{};
    exec.size = sizeof exec;
    exec.num_threads = call.threads;

    attune_attention_args args{};
    args.size = sizeof args;
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    args.query = call.query;
    args.key = call.key;
    args.value = call.value;
    args.output = call.output;
    args.batch = call.batch;
    args.num_heads = args.num_kv_heads = call.num_heads;
    args.seq_len_q = args.seq_len_kv = call.seq_len;
    for (int64_t *strides : {args.stride_query, args.stride_key, args.stride_value})
        std::copy_n(call.stride_input, 3, strides);
    std::copy_n(call.stride_output, 3, args.stride_output);
    args.lengths_q = args.lengths_kv = call.lengths;
    args.exec = &exec;

    args.workspace_size = minilm_attention_workspace_size(&args);
    if (args.workspace_size > workspace_size_) {
        workspace_.reset(std::aligned_alloc(64, (args.workspace_size + 63) / 64 * 64));
        if (!workspace_)
            throw std::bad_alloc();
        workspace_size_ = args.workspace_size;
    }
    args.workspace = args.workspace_size > 0 ? workspace_.get() : nullptr;

    if (minilm_attention(&args) != ATTUNE_OK)
        throw std::runtime_error(attune_last_error());
}

std::string AttuneAttention::target() {
    const attune_kernel *kernel = attune_kernel_find("minilm_attention");
    const char *target = kernel ? attune_kernel_target(kernel) : nullptr;
    return target ? target : "no target fits this CPU";
}

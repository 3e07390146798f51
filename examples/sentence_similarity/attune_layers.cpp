#include "attune_layers.h"

#include "minilm_down.h"
#include "minilm_layer.h"
#include "minilm_up.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace {

void check(attune_status status) {
    if (status != ATTUNE_OK)
        throw std::runtime_error(attune_last_error());
}

attune_weights weights_of(const Linear &linear) {
    return {linear.weight.data(), linear.bias.data(), linear.weight.rows(), 0};
}

attune_exec on_threads(int threads) {
    attune_exec exec{};
    exec.size = sizeof exec;
    exec.num_threads = threads;
    return exec;
}

attune_projection_args projection_args(const Matrix &x, Matrix &y, const void *weights, const attune_exec &exec) {
    attune_projection_args args{};
    args.size = sizeof args;
    args.version = ATTUNE_PROJECTION_ARGS_VERSION;
    args.input = x.data();
    args.output = y.data();
    args.weights = weights;
    args.batch = 1;
    args.rows = x.rows();
    args.exec = &exec;
    return args;
}

}  // namespace

void AttuneLayers::Free::operator()(void *memory) const {
    std::free(memory);
}

AttuneLayers::Memory AttuneLayers::allocate(std::size_t bytes) {
    constexpr std::size_t huge = 2 << 20;
    const std::size_t alignment = bytes < huge ? 64 : huge, rounded = (bytes + alignment - 1) / alignment * alignment;
    Memory memory(std::aligned_alloc(alignment, rounded));
    if (!memory)
        throw std::bad_alloc();
    if (alignment == huge)
        madvise(memory.get(), rounded, MADV_HUGEPAGE);  // a wish: asking ahead works across 2 MB instead of 4 KB
    return memory;
}

void *AttuneLayers::workspace(std::size_t bytes) {
    if (bytes > workspace_size_) {
        workspace_ = allocate(bytes);
        workspace_size_ = bytes;
    }
    return workspace_.get();
}

AttuneLayers::AttuneLayers(const std::vector<LayerWeights> &weights) {
    const std::size_t of_attention = minilm_layer_packed_size(), of_up = minilm_up_packed_size(), of_down = minilm_down_packed_size();
    weights_ = allocate(weights.size() * (of_attention + of_up + of_down));
    char *at = static_cast<char *>(weights_.get());
    for (const LayerWeights &w : weights) {
        const Packed packed = {at, at + of_attention, at + of_attention + of_up};
        at += of_attention + of_up + of_down;
        const attune_layer_weights of_layer = {
            weights_of(w.query), weights_of(w.key), weights_of(w.value), weights_of(w.attention_output), nullptr, nullptr};
        const attune_weights up = weights_of(w.intermediate), down = weights_of(w.output);
        check(minilm_layer_pack(&of_layer, packed.layer, of_attention));
        check(minilm_up_pack(&up, 1, packed.up, of_up));
        check(minilm_down_pack(&down, 1, packed.down, of_down));
        packed_.push_back(packed);
    }
}

void AttuneLayers::attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    const attune_exec exec = on_threads(batch.threads);
    y.resize(x.rows(), hidden_size);
    attune_layer_args args{};
    args.size = sizeof args;
    args.version = ATTUNE_LAYER_ARGS_VERSION;
    args.input = x.data();
    args.output = y.data();
    args.weights = packed_[layer].layer;
    args.batch = batch.batch;
    args.seq_len = batch.seq_len;
    args.lengths = batch.lengths;
    args.exec = &exec;
    args.workspace_size = minilm_layer_workspace_size(&args);
    args.workspace = workspace(args.workspace_size);
    check(minilm_layer(&args));
}

void AttuneLayers::feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    const attune_exec exec = on_threads(batch.threads);
    inner_.resize(x.rows(), intermediate_size);
    y.resize(x.rows(), hidden_size);
    attune_projection_args up = projection_args(x, inner_, packed_[layer].up, exec);
    up.workspace_size = minilm_up_workspace_size(&up);
    up.workspace = workspace(up.workspace_size);
    check(minilm_up(&up));
    attune_projection_args down = projection_args(inner_, y, packed_[layer].down, exec);
    down.workspace_size = minilm_down_workspace_size(&down);
    down.workspace = workspace(down.workspace_size);
    check(minilm_down(&down));
}

std::string AttuneLayers::target() {
    const char *target = attune_projection_target(&minilm_up_kernel);
    return target ? target : "no target fits this CPU";
}

#include "attune_layers.h"

#include "minilm_down.h"
#include "minilm_layer.h"
#include "minilm_up.h"

#include <stdexcept>

namespace {

const attune::Layer attention(&minilm_layer_layer);
const attune::Projection up(&minilm_up_kernel), down(&minilm_down_kernel);

void check(const attune::Status &status) {
    if (!status)
        throw std::runtime_error(std::string(status.message()));
}

template <class Dense>
auto elements(Dense &x) {
    return std::span(x.data(), static_cast<std::size_t>(x.size()));
}

attune::WeightMatrix matrix_of(const Linear &linear) {
    return {elements(linear.weight), elements(linear.bias)};
}

}  // namespace

AttuneLayers::AttuneLayers(const std::vector<LayerWeights> &weights)
    : memory_(weights.size() * (attention.packed_size() + up.packed_size() + down.packed_size())), packed_(weights.size()) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const LayerWeights &w = weights[i];
        check(attention.pack(
            {.query = matrix_of(w.query), .key = matrix_of(w.key), .value = matrix_of(w.value), .output = matrix_of(w.attention_output)},
            packed_[i].attention, &memory_));
        check(up.pack(matrix_of(w.intermediate), packed_[i].up, &memory_));
        check(down.pack(matrix_of(w.output), packed_[i].down, &memory_));
    }
}

void AttuneLayers::attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    y.resize(x.rows(), hidden_size);
    check(attention({.input = elements(x),
                     .output = elements(y),
                     .weights = packed_[layer].attention,
                     .batch = batch.batch,
                     .seq_len = batch.seq_len,
                     .lengths = std::span(batch.lengths, static_cast<std::size_t>(batch.batch)),
                     .num_threads = batch.threads},
                    workspace_));
}

void AttuneLayers::feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    inner_.resize(x.rows(), intermediate_size);
    y.resize(x.rows(), hidden_size);
    const auto run = [&](const attune::Projection &dense, const Matrix &input, Matrix &output, const attune::PackedWeights &weights) {
        check(dense(
            {.input = elements(input), .output = elements(output), .weights = weights, .rows = x.rows(), .num_threads = batch.threads},
            workspace_));
    };
    run(up, x, inner_, packed_[layer].up);
    run(down, inner_, y, packed_[layer].down);
}

std::string AttuneLayers::target() {
    return up.supported() ? std::string(up.target()) : "no target fits this CPU";
}

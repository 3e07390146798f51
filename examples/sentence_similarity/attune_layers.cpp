#include "attune_layers.h"

#include "minilm_down.h"
#include "minilm_down_bf16.h"
#include "minilm_layer.h"
#include "minilm_layer_bf16.h"
#include "minilm_up.h"
#include "minilm_up_bf16.h"

#include <stdexcept>

namespace {

/// A set of layers.
struct Model {
    attune::Layer attention;
    attune::Projection up, down;

    std::size_t packed_size() const { return attention.packed_size() + up.packed_size() + down.packed_size(); }
};

template <class Element>
const Model model = {attune::Layer(&minilm_layer_layer), attune::Projection(&minilm_up_kernel), attune::Projection(&minilm_down_kernel)};
template <>
const Model model<Eigen::bfloat16> = {attune::Layer(&minilm_layer_bf16_layer), attune::Projection(&minilm_up_bf16_kernel),
                                      attune::Projection(&minilm_down_bf16_kernel)};

void check(const attune::Status &status) {
    if (!status)
        throw std::runtime_error(std::string(status.message()));
}

template <class Dense>
auto elements(Dense &x) {
    return std::span(x.data(), static_cast<std::size_t>(x.size()));
}

/// A weight matrix of the model as the layers take it.
template <class Element>
struct Converted {
    Eigen::Matrix<Element, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> weight;
    Eigen::Matrix<Element, 1, Eigen::Dynamic> bias;

    explicit Converted(const Linear &linear) : weight(linear.weight.cast<Element>()), bias(linear.bias.cast<Element>()) {}
    attune::WeightMatrix matrix() const { return {elements(weight), elements(bias)}; }
};

}  // namespace

template <class Element>
AttuneLayers<Element>::AttuneLayers(const std::vector<LayerWeights> &weights)
    : memory_(weights.size() * model<Element>.packed_size()), packed_(weights.size()) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const LayerWeights &w = weights[i];
        const Converted<Element> query(w.query), key(w.key), value(w.value), output(w.attention_output), up(w.intermediate), down(w.output);
        check(model<Element>.attention.pack(
            {.query = query.matrix(), .key = key.matrix(), .value = value.matrix(), .output = output.matrix()}, packed_[i].attention,
            &memory_));
        check(model<Element>.up.pack(up.matrix(), packed_[i].up, &memory_));
        check(model<Element>.down.pack(down.matrix(), packed_[i].down, &memory_));
    }
}

template <class Element>
template <class Run>
void AttuneLayers<Element>::on_elements(const Matrix &x, Matrix &y, const Run &run) {
    y.resize(x.rows(), minilm::hidden_size);
    if constexpr (std::is_same_v<Element, float>) {
        run(x, y);
    } else {
        input_ = x.cast<Element>();
        output_.resize(y.rows(), y.cols());
        run(input_, output_);
        y = output_.template cast<float>();
    }
}

template <class Element>
void AttuneLayers<Element>::attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    on_elements(x, y, [&](const Rows &input, Rows &output) {
        check(model<Element>.attention({.input = elements(input),
                                        .output = elements(output),
                                        .weights = packed_[layer].attention,
                                        .batch = batch.batch,
                                        .seq_len = batch.seq_len,
                                        .lengths = std::span(batch.lengths, static_cast<std::size_t>(batch.batch)),
                                        .num_threads = batch.threads},
                                       workspace_));
    });
}

template <class Element>
void AttuneLayers<Element>::feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) {
    inner_.resize(x.rows(), minilm::intermediate_size);
    const auto run = [&](const attune::Projection &dense, const Rows &input, Rows &output, const attune::PackedWeights &weights) {
        check(dense(
            {.input = elements(input), .output = elements(output), .weights = weights, .rows = x.rows(), .num_threads = batch.threads},
            workspace_));
    };
    on_elements(x, y, [&](const Rows &input, Rows &output) {
        run(model<Element>.up, input, inner_, packed_[layer].up);
        run(model<Element>.down, inner_, output, packed_[layer].down);
    });
}

template <class Element>
std::string AttuneLayers<Element>::target() {
    const attune::Projection &up = model<Element>.up;
    return up.supported() ? std::string(up.target()) : "no target fits this CPU";
}

template class AttuneLayers<float>;
template class AttuneLayers<Eigen::bfloat16>;

#pragma once
#include "layers.h"

#include <attune/layer.hpp>

#include <string>

/// The layers that Attune generated for this model: minilm_layer, minilm_up and minilm_down of CMakeLists.txt.
class AttuneLayers : public Layers {
public:
    /// What they were generated for.
    static constexpr int hidden_size = 384, num_heads = 12, intermediate_size = 1536;

    /// Packs the weights, which need not stay. Throws std::runtime_error with Attune's own sentence where the runtime refuses.
    explicit AttuneLayers(const std::vector<LayerWeights> &weights);

    /// Not from two threads at once: the workspace is one.
    void attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) override;
    void feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) override;

    /// The instruction set they run with here: "avx512".
    static std::string target();

private:
    struct Packed {
        attune::PackedWeights attention, up, down;
    };
    attune::WeightMemory memory_;  // of all layers, side by side: 42 MB
    std::vector<Packed> packed_;
    attune::Workspace workspace_;  // kept from call to call
    Matrix inner_;
};

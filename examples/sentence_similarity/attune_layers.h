#pragma once
#include "layers.h"

#include <attune/layer.hpp>

#include <string>

/// The layers that Attune generated for this model, of CMakeLists.txt: minilm_layer, minilm_up and minilm_down for float, those with _bf16 behind their
/// names for Eigen::bfloat16. What is between layers stays float.
template <class Element>
class AttuneLayers : public Layers {
public:
    /// Packs the weights, which need not stay. Throws std::runtime_error with Attune's own sentence where the runtime refuses.
    explicit AttuneLayers(const std::vector<LayerWeights> &weights);

    /// Not from two threads at once: the workspace is one.
    void attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) override;
    void feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) override;

    /// The instruction set they run with here: "avx512".
    static std::string target();

private:
    using Rows = Eigen::Matrix<Element, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    struct Packed {
        attune::PackedWeights attention, up, down;
    };
    /// Calls run(x, y) with both as Rows: themselves, or copies of them.
    template <class Run>
    void on_elements(const Matrix &x, Matrix &y, const Run &run);

    attune::WeightMemory memory_;  // of all layers, side by side: 42 MB of float
    std::vector<Packed> packed_;
    attune::Workspace workspace_;  // kept from call to call
    Rows input_, output_, inner_;
};

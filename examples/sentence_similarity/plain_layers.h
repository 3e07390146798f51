#pragma once
#include "layers.h"

/// The layers as one writes them first: Eigen for the matrix products, attention as loops over its equation. In float, the baseline of the
/// timing; in double, rounded to float at the end of each half, what the self check compares with.
template <class Real>
class PlainLayers : public Layers {
public:
    explicit PlainLayers(const std::vector<LayerWeights> &weights);

    void attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) override;
    void feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) override;

    using Dense = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using Row = Eigen::Matrix<Real, 1, Eigen::Dynamic>;

private:
    struct Weights {
        Dense qkv, output, up, down;  ///< (outputs, inputs); one product gives query, key and value
        Row qkv_bias, output_bias, up_bias, down_bias;
    };
    std::vector<Weights> weights_;
};

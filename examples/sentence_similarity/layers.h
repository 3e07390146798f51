#pragma once
#include <Eigen/Core>

#include <cstdint>
#include <vector>

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// What the specifications of the layers say (*.toml).
namespace minilm {
inline constexpr int hidden_size = 384, num_heads = 12, intermediate_size = 1536;
}

/// A dense layer of the model: y = x weight^T + bias.
struct Linear {
    Eigen::Map<const Matrix> weight;  ///< (outputs, inputs)
    Eigen::Map<const Eigen::RowVectorXf> bias;
};
struct Norm {
    Eigen::Map<const Eigen::RowVectorXf> weight, bias;
};

/// What one layer of the model has.
struct LayerWeights {
    Linear query, key, value, attention_output;
    Norm attention_norm;
    Linear intermediate, output;
    Norm output_norm;
};

/// Sentences padded to one length: row b * seq_len + i is token i of sentence b.
struct Batch {
    int64_t batch = 0, seq_len = 0;
    const int32_t *lengths = nullptr;  ///< (batch) tokens in use
    int threads = 1;
};

/// The two halves of an encoder layer without their residuals and norms: what takes the time.
class Layers {
public:
    virtual ~Layers() = default;
    /// y = attention(x W_q + b_q, x W_k + b_k, x W_v + b_v) W_o + b_o       each token sees every token of its sentence
    virtual void attend(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) = 0;
    /// y = gelu(x W_1 + b_1) W_2 + b_2
    virtual void feed_forward(std::size_t layer, const Batch &batch, const Matrix &x, Matrix &y) = 0;
};

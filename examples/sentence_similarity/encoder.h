#pragma once
#include "layers.h"
#include "safetensors.h"

#include <cstdint>
#include <string>
#include <vector>

/// What config.json says of a BERT model.
struct EncoderConfig {
    int64_t vocab_size = 0, hidden_size = 0, num_layers = 0, num_heads = 0, intermediate_size = 0, max_positions = 0, token_types = 0;
    float layer_norm_eps = 0;

    int64_t head_dim() const { return hidden_size / num_heads; }
    /// Throws InputError where the file is missing, or describes another architecture.
    static EncoderConfig from_file(const std::string &path);
};

/// Sentence vectors, and the time they took.
struct Encoded {
    Matrix vectors;              ///< (sentences, hidden_size), each of length 1
    double attention_ms = 0;     ///< in the attention halves of the layers: projections, attention, output
    double feed_forward_ms = 0;  ///< in their feed-forward halves
    double total_ms = 0;         ///< the whole encoder
};

/// A BERT encoder with a mean over tokens on top (sentence-transformers): for each layer, with x of (tokens, hidden_size),
///   x = LayerNorm(x + attention(x W_q, x W_k, x W_v) W_o)
///   x = LayerNorm(x + gelu(x W_1) W_2)                        gelu(t) = t/2 (1 + erf(t / sqrt 2))
/// and the vector of a sentence = mean of x over its tokens, divided by its length.
/// Devlin et al. 2018 (arXiv:1810.04805); Reimers & Gurevych 2019 (arXiv:1908.10084).
class Encoder {
public:
    /// Reads config.json and model.safetensors of `directory`. Throws InputError.
    explicit Encoder(const std::string &directory);

    const EncoderConfig &config() const { return config_; }
    const std::vector<LayerWeights> &weights() const { return weights_; }

    /// One vector a sentence, in order. Sentences go through the encoder batch_size at a time, those of like length together, each batch
    /// padded to its longest.
    Encoded encode(const std::vector<std::vector<int32_t>> &sentences, Layers &layers, int threads, int batch_size = 32) const;

private:
    Linear linear(const std::string &name, int64_t outputs, int64_t inputs) const;
    Norm norm(const std::string &name) const;
    void normalize(Eigen::Ref<Matrix> x, const Norm &norm) const;
    Matrix embed(const std::vector<const std::vector<int32_t> *> &batch, int64_t seq_len) const;
    /// x = LayerNorm(x + y)
    void add_and_normalize(Matrix &x, const Matrix &y, const Norm &norm, int threads) const;

    EncoderConfig config_;
    Safetensors file_;
    std::vector<LayerWeights> weights_;
};

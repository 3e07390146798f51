#pragma once
#include "attention.h"
#include "safetensors.h"

#include <Eigen/Core>

#include <cstdint>
#include <string>
#include <vector>

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

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
    Matrix vectors;           ///< (sentences, hidden_size), each of length 1
    double attention_ms = 0;  ///< in the attention calls
    double total_ms = 0;      ///< the whole encoder
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

    /// One vector a sentence, in order. Sentences go through the encoder 32 at a time, those of like length together, each batch
    /// padded to its longest.
    Encoded encode(const std::vector<std::vector<int32_t>> &sentences, const Attention &attention, int threads) const;

private:
    using Weights = Eigen::Map<const Matrix>;
    using Vector = Eigen::Map<const Eigen::RowVectorXf>;
    struct Linear {
        Weights weight;  ///< (outputs, inputs)
        Vector bias;
    };
    struct Norm {
        Vector weight, bias;
    };
    struct Layer {
        Matrix qkv_weight;  ///< (3 * hidden_size, hidden_size): one product gives query, key and value
        Eigen::RowVectorXf qkv_bias;
        Linear attention_output;
        Norm attention_norm;
        Linear intermediate, output;
        Norm output_norm;
    };

    Linear linear(const std::string &name, int64_t outputs, int64_t inputs) const;
    Norm norm(const std::string &name) const;
    void normalize(Matrix &x, const Norm &norm) const;
    Matrix embed(const std::vector<const std::vector<int32_t> *> &batch, int64_t seq_len) const;
    double run_layer(const Layer &layer, Matrix &x, AttentionCall call, const Attention &attention) const;

    EncoderConfig config_;
    Safetensors file_;
    std::vector<Layer> layers_;
};

#pragma once
#include "attention.h"
#include "gguf.h"
#include "kv_cache.h"
#include "rope.h"
#include "weight_matrix.h"

#include <span>
#include <string>
#include <vector>

struct ModelConfig {
    int64_t num_layers, num_heads, num_kv_heads, hidden_size, feed_forward_size, vocabulary_size;
    int64_t max_positions;  ///< what it was trained for
    double rope_base;
    float norm_epsilon;
    int64_t head_dim() const { return hidden_size / num_heads; }
};

/// A decoder of Llama's kind (arXiv:2302.13971) with grouped heads. In each layer, x being (hidden_size, tokens):
///   h = rms_norm(x);  q, k, v = Wq h, Wk h, Wv h;  x += Wo attention(q, k, v, cache)
///   h = rms_norm(x);  x += Wdown (silu(Wgate h) * Wup h)
/// and after the last, logits = E rms_norm(x) with the embeddings E of the input.
class Model {
public:
    /// Throws InputError where the file is no such model. The file has to outlive the model.
    explicit Model(const Gguf &file);

    const ModelConfig &config() const { return config_; }
    KvCache make_cache(int64_t capacity, CacheFormat format = CacheFormat::f32) const;

    /// Runs new tokens, which come after those in the cache, and adds them to it. They have to fit.
    /// Returns the logits of the token after the last, (vocabulary_size).
    Eigen::VectorXf forward(std::span<const int32_t> tokens, KvCache &cache, const Attention &attention, int threads) const;

private:
    struct Layer {
        std::span<const float> attention_norm, feed_forward_norm;
        WeightMatrix query, key, value, output, gate, up, down;
    };
    Matrix attend(int64_t layer, const Matrix &x, KvCache &cache, const Attention &attention, int threads) const;
    Matrix feed_forward(int64_t layer, const Matrix &x, int threads) const;

    ModelConfig config_;
    Rope rope_;
    WeightMatrix embeddings_;
    std::vector<Layer> layers_;
    std::span<const float> output_norm_;
};

#include "model.h"

#include "input_error.h"

#include <algorithm>

namespace {

ModelConfig read_config(const Gguf &file) {
    if (const std::string &kind = file.text("general.architecture"); kind != "llama")
        throw InputError("the model is of the architecture " + kind + ", expected llama");
    const auto integer = [&](const std::string &key) {
        const int64_t value = file.integer("llama." + key);
        if (value <= 0 || value > 1 << 20)
            throw InputError("the model's llama." + key + " is " + std::to_string(value));
        return value;
    };
    const ModelConfig c{.num_layers = integer("block_count"),
                        .num_heads = integer("attention.head_count"),
                        .num_kv_heads = integer("attention.head_count_kv"),
                        .hidden_size = integer("embedding_length"),
                        .feed_forward_size = integer("feed_forward_length"),
                        .vocabulary_size = static_cast<int64_t>(file.texts("tokenizer.ggml.tokens").size()),
                        .max_positions = integer("context_length"),
                        .rope_base = file.number("llama.rope.freq_base"),
                        .norm_epsilon = static_cast<float>(file.number("llama.attention.layer_norm_rms_epsilon"))};
    if (c.hidden_size % c.num_heads != 0 || c.num_heads % c.num_kv_heads != 0 || c.head_dim() % 2 != 0)
        throw InputError("the model has " + std::to_string(c.hidden_size) + " elements in " + std::to_string(c.num_heads) + " heads on " +
                         std::to_string(c.num_kv_heads) + " key/value heads");
    return c;
}

/// weight * x / sqrt(mean(x^2) + epsilon), of each column
Matrix rms_norm(const Matrix &x, std::span<const float> weight, float epsilon) {
    const Eigen::Map<const Eigen::ArrayXf> factors(weight.data(), static_cast<int64_t>(weight.size()));
    Matrix y(x.rows(), x.cols());
    for (int64_t t = 0; t < x.cols(); ++t)
        y.col(t) = (x.col(t).array() * factors / std::sqrt(x.col(t).squaredNorm() / static_cast<float>(x.rows()) + epsilon)).matrix();
    return y;
}

}  // namespace

Model::Model(const Gguf &file) : config_(read_config(file)), rope_(config_.head_dim(), config_.rope_base, config_.max_positions) {
    const ModelConfig &c = config_;
    const int64_t kv_size = c.num_kv_heads * c.head_dim();
    embeddings_ = file.matrix("token_embd.weight", c.vocabulary_size, c.hidden_size);
    output_norm_ = file.vector("output_norm.weight", c.hidden_size);
    for (int64_t i = 0; i < c.num_layers; ++i) {
        const auto name = [&](const char *part) { return "blk." + std::to_string(i) + "." + part + ".weight"; };
        layers_.push_back({.attention_norm = file.vector(name("attn_norm"), c.hidden_size),
                           .feed_forward_norm = file.vector(name("ffn_norm"), c.hidden_size),
                           .query = file.matrix(name("attn_q"), c.hidden_size, c.hidden_size),
                           .key = file.matrix(name("attn_k"), kv_size, c.hidden_size),
                           .value = file.matrix(name("attn_v"), kv_size, c.hidden_size),
                           .output = file.matrix(name("attn_output"), c.hidden_size, c.hidden_size),
                           .gate = file.matrix(name("ffn_gate"), c.feed_forward_size, c.hidden_size),
                           .up = file.matrix(name("ffn_up"), c.feed_forward_size, c.hidden_size),
                           .down = file.matrix(name("ffn_down"), c.hidden_size, c.feed_forward_size)});
    }
}

KvCache Model::make_cache(int64_t capacity, CacheFormat format) const {
    return {format, config_.num_layers, config_.num_kv_heads, config_.head_dim(), capacity};
}

Eigen::VectorXf Model::forward(std::span<const int32_t> tokens, KvCache &cache, const Attention &attention, int threads) const {
    const auto count = static_cast<int64_t>(tokens.size());
    Matrix x(config_.hidden_size, count);
    for (int64_t t = 0; t < count; ++t)
        unpack_row(embeddings_, tokens[t], x.col(t).data());
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
        x += attend(layer, rms_norm(x, layers_[layer].attention_norm, config_.norm_epsilon), cache, attention, threads);
        x += feed_forward(layer, rms_norm(x, layers_[layer].feed_forward_norm, config_.norm_epsilon), threads);
    }
    cache.advance(count);
    return multiply(embeddings_, rms_norm(x.rightCols(1), output_norm_, config_.norm_epsilon), threads);
}

Matrix Model::attend(int64_t layer, const Matrix &x, KvCache &cache, const Attention &attention, int threads) const {
    const Layer &w = layers_[layer];
    const Matrix query = multiply(w.query, x, threads), key = multiply(w.key, x, threads), value = multiply(w.value, x, threads);
    Matrix output(config_.hidden_size, x.cols());
    attention({.query = query.data(),
               .key = key.data(),
               .value = value.data(),
               .output = output.data(),
               .cache = &cache,
               .layer = layer,
               .rope = &rope_,
               .tokens = x.cols(),
               .num_heads = config_.num_heads,
               .num_kv_heads = config_.num_kv_heads,
               .head_dim = config_.head_dim(),
               .threads = threads});
    return multiply(w.output, output, threads);
}

Matrix Model::feed_forward(int64_t layer, const Matrix &x, int threads) const {
    const Layer &w = layers_[layer];
    const Matrix gate = multiply(w.gate, x, threads), up = multiply(w.up, x, threads);
    return multiply(w.down, (gate.array() / (1 + (-gate.array()).exp()) * up.array()).matrix(), threads);  // silu(x) = x / (1 + e^-x)
}

#include "encoder.h"

#include "input_error.h"
#include "parallel.h"

#include <nlohmann/json.hpp>
#include <unsupported/Eigen/SpecialFunctions>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <numeric>

namespace {

using Clock = std::chrono::steady_clock;
double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// y = x * weight^T + bias, rows split over threads.
template <class Weight, class Bias>
Matrix apply(const Weight &weight, const Bias &bias, const Matrix &x, int threads) {
    Matrix y(x.rows(), weight.rows());
    parallel_ranges(threads, x.rows(), [&](int64_t begin, int64_t end) {
        auto rows = y.middleRows(begin, end - begin);
        rows.noalias() = x.middleRows(begin, end - begin) * weight.transpose();
        rows.rowwise() += bias;
    });
    return y;
}

void gelu(Matrix &x, int threads) {
    parallel_ranges(threads, x.rows(), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            auto row = x.row(r).array();
            row = 0.5f * row * (1.0f + (row * 0.70710678f).erf());
        }
    });
}

}  // namespace

EncoderConfig EncoderConfig::from_file(const std::string &path) {
    std::ifstream file(path);
    if (!file)
        throw InputError(path + ": cannot open");
    nlohmann::json json;
    try {
        json = nlohmann::json::parse(file);
        EncoderConfig config;
        const auto extent = [&](const char *key) {
            const int64_t value = json.at(key).get<int64_t>();
            if (value < 1 || value > 1'000'000)
                throw InputError(path + ": " + key + " is " + std::to_string(value) + ", expected 1 to 1000000");
            return value;
        };
        config.vocab_size = extent("vocab_size");
        config.hidden_size = extent("hidden_size");
        config.num_layers = extent("num_hidden_layers");
        config.num_heads = extent("num_attention_heads");
        config.intermediate_size = extent("intermediate_size");
        config.max_positions = extent("max_position_embeddings");
        config.token_types = extent("type_vocab_size");
        config.layer_norm_eps = json.at("layer_norm_eps").get<float>();
        if (json.at("model_type") != "bert" || json.at("hidden_act") != "gelu")
            throw InputError(path + ": model_type " + json.at("model_type").dump() + " with " + json.at("hidden_act").dump() +
                             ", expected \"bert\" with \"gelu\"");
        if (config.hidden_size % config.num_heads != 0)
            throw InputError(path + ": hidden_size " + std::to_string(config.hidden_size) + " is no multiple of num_attention_heads " +
                             std::to_string(config.num_heads));
        return config;
    } catch (const nlohmann::json::exception &e) {
        throw InputError(path + ": " + e.what());
    }
}

Encoder::Encoder(const std::string &directory)
    : config_(EncoderConfig::from_file(directory + "/config.json")), file_(directory + "/model.safetensors") {
    const int64_t hidden = config_.hidden_size;
    for (int64_t i = 0; i < config_.num_layers; ++i) {
        const std::string layer = "encoder.layer." + std::to_string(i) + ".";
        Matrix qkv_weight(3 * hidden, hidden);
        Eigen::RowVectorXf qkv_bias(3 * hidden);
        int64_t row = 0;
        for (const char *part : {"query", "key", "value"}) {
            const Linear projection = linear(layer + "attention.self." + part, hidden, hidden);
            qkv_weight.middleRows(row, hidden) = projection.weight;
            qkv_bias.segment(row, hidden) = projection.bias;
            row += hidden;
        }
        layers_.push_back({std::move(qkv_weight), std::move(qkv_bias), linear(layer + "attention.output.dense", hidden, hidden),
                           norm(layer + "attention.output.LayerNorm"),
                           linear(layer + "intermediate.dense", config_.intermediate_size, hidden),
                           linear(layer + "output.dense", hidden, config_.intermediate_size), norm(layer + "output.LayerNorm")});
    }
    for (const char *name : {"word", "position", "token_type"}) {  // found now rather than in the first call
        const int64_t rows = *name == 'w' ? config_.vocab_size : *name == 'p' ? config_.max_positions : config_.token_types;
        file_.floats(std::string("embeddings.") + name + "_embeddings.weight", {rows, hidden});
    }
    norm("embeddings.LayerNorm");
}

Encoder::Linear Encoder::linear(const std::string &name, int64_t outputs, int64_t inputs) const {
    return {Weights(file_.floats(name + ".weight", {outputs, inputs}).data(), outputs, inputs),
            Vector(file_.floats(name + ".bias", {outputs}).data(), outputs)};
}

Encoder::Norm Encoder::norm(const std::string &name) const {
    const int64_t size = config_.hidden_size;
    return {Vector(file_.floats(name + ".weight", {size}).data(), size), Vector(file_.floats(name + ".bias", {size}).data(), size)};
}

void Encoder::normalize(Matrix &x, const Norm &norm) const {
    for (int64_t r = 0; r < x.rows(); ++r) {
        auto row = x.row(r).array();
        row -= row.mean();
        row *= 1 / std::sqrt(row.square().mean() + config_.layer_norm_eps);
        row = row * norm.weight.array() + norm.bias.array();
    }
}

Matrix Encoder::embed(const std::vector<const std::vector<int32_t> *> &batch, int64_t seq_len) const {
    const int64_t hidden = config_.hidden_size, count = static_cast<int64_t>(batch.size());
    const auto table = [&](const std::string &name, int64_t rows) {
        return Weights(file_.floats("embeddings." + name + "_embeddings.weight", {rows, hidden}).data(), rows, hidden);
    };
    const Weights word = table("word", config_.vocab_size), position = table("position", config_.max_positions),
                  token_type = table("token_type", config_.token_types);
    Matrix x(count * seq_len, hidden);
    for (int64_t b = 0; b < count; ++b)
        for (int64_t i = 0; i < seq_len; ++i) {
            const int32_t id = i < std::ssize(*batch[b]) ? (*batch[b])[i] : 0;  // 0 is [PAD]
            x.row(b * seq_len + i) = word.row(id) + position.row(i) + token_type.row(0);
        }
    normalize(x, norm("embeddings.LayerNorm"));
    return x;
}

double Encoder::run_layer(const Layer &layer, Matrix &x, AttentionCall call, const Attention &attention) const {
    // Attention reads query, key and value where the product left them, (head_dim, num_heads, 3, tokens) innermost first, and writes
    // (head_dim, num_heads, tokens): strides do what transposes do elsewhere.
    const int64_t hidden = config_.hidden_size;
    const Matrix qkv = apply(layer.qkv_weight, layer.qkv_bias, x, call.threads);
    Matrix mixed(x.rows(), hidden);
    call.query = qkv.data();
    call.key = qkv.data() + hidden;
    call.value = qkv.data() + 2 * hidden;
    call.output = mixed.data();
    const auto start = Clock::now();
    attention(call);
    const double attention_ms = milliseconds_since(start);

    x += apply(layer.attention_output.weight, layer.attention_output.bias, mixed, call.threads);
    normalize(x, layer.attention_norm);
    Matrix inner = apply(layer.intermediate.weight, layer.intermediate.bias, x, call.threads);
    gelu(inner, call.threads);
    x += apply(layer.output.weight, layer.output.bias, inner, call.threads);
    normalize(x, layer.output_norm);
    return attention_ms;
}

Encoded Encoder::encode(const std::vector<std::vector<int32_t>> &sentences, const Attention &attention, int threads) const {
    constexpr std::size_t batch_size = 32;
    const auto start = Clock::now();
    for (const auto &ids : sentences) {
        if (ids.empty() || std::ssize(ids) > config_.max_positions)
            throw InputError("a sentence has " + std::to_string(ids.size()) + " tokens, expected 1 to " +
                             std::to_string(config_.max_positions));
        for (int32_t id : ids)
            if (id < 0 || id >= config_.vocab_size)
                throw InputError("token " + std::to_string(id) + " is outside the model's vocabulary of " +
                                 std::to_string(config_.vocab_size) + "; vocab.txt and model.safetensors must come from the same model");
    }

    std::vector<std::size_t> order(sentences.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return sentences[i].size(); });

    Encoded result{Matrix(sentences.size(), config_.hidden_size)};
    for (std::size_t first = 0; first < order.size(); first += batch_size) {
        const std::size_t count = std::min(batch_size, order.size() - first);
        std::vector<const std::vector<int32_t> *> batch;
        std::vector<int32_t> lengths;
        for (std::size_t b = 0; b < count; ++b) {
            batch.push_back(&sentences[order[first + b]]);
            lengths.push_back(static_cast<int32_t>(batch.back()->size()));
        }
        const int64_t seq_len = lengths.back(), hidden = config_.hidden_size, head_dim = config_.head_dim();

        Matrix x = embed(batch, seq_len);
        const AttentionCall call{.batch = static_cast<int64_t>(count),
                                 .seq_len = seq_len,
                                 .num_heads = config_.num_heads,
                                 .head_dim = head_dim,
                                 .stride_input = {seq_len * 3 * hidden, head_dim, 3 * hidden},
                                 .stride_output = {seq_len * hidden, head_dim, hidden},
                                 .lengths = lengths.data(),
                                 .threads = threads};
        for (const Layer &layer : layers_)
            result.attention_ms += run_layer(layer, x, call, attention);
        for (std::size_t b = 0; b < count; ++b)
            result.vectors.row(order[first + b]) = x.middleRows(b * seq_len, lengths[b]).colwise().mean().normalized();
    }
    result.total_ms = milliseconds_since(start);
    return result;
}

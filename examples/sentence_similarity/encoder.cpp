#include "encoder.h"

#include "input_error.h"
#include "parallel.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <numeric>

namespace {

using Vector = Eigen::Map<const Eigen::RowVectorXf>;
using Clock = std::chrono::steady_clock;
double milliseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
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
        const std::string attention = layer + "attention.";
        weights_.push_back({linear(attention + "self.query", hidden, hidden), linear(attention + "self.key", hidden, hidden),
                            linear(attention + "self.value", hidden, hidden), linear(attention + "output.dense", hidden, hidden),
                            norm(attention + "output.LayerNorm"), linear(layer + "intermediate.dense", config_.intermediate_size, hidden),
                            linear(layer + "output.dense", hidden, config_.intermediate_size), norm(layer + "output.LayerNorm")});
    }
    for (const char *name : {"word", "position", "token_type"}) {  // found now rather than in the first call
        const int64_t rows = *name == 'w' ? config_.vocab_size : *name == 'p' ? config_.max_positions : config_.token_types;
        file_.floats(std::string("embeddings.") + name + "_embeddings.weight", {rows, hidden});
    }
    norm("embeddings.LayerNorm");
}

Linear Encoder::linear(const std::string &name, int64_t outputs, int64_t inputs) const {
    return {Eigen::Map<const Matrix>(file_.floats(name + ".weight", {outputs, inputs}).data(), outputs, inputs),
            Vector(file_.floats(name + ".bias", {outputs}).data(), outputs)};
}

Norm Encoder::norm(const std::string &name) const {
    const int64_t size = config_.hidden_size;
    return {Vector(file_.floats(name + ".weight", {size}).data(), size), Vector(file_.floats(name + ".bias", {size}).data(), size)};
}

void Encoder::normalize(Eigen::Ref<Matrix> x, const Norm &norm) const {
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
        return Eigen::Map<const Matrix>(file_.floats("embeddings." + name + "_embeddings.weight", {rows, hidden}).data(), rows, hidden);
    };
    const Eigen::Map<const Matrix> word = table("word", config_.vocab_size), position = table("position", config_.max_positions),
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

void Encoder::add_and_normalize(Matrix &x, const Matrix &y, const Norm &norm, int threads) const {
    constexpr int64_t rows_of_thread = 128;  // to start a thread takes as long as some 100 rows
    const int used = static_cast<int>(std::clamp<int64_t>(x.rows() / rows_of_thread, 1, threads));
    parallel_ranges(used, x.rows(), [&](int64_t begin, int64_t end) {
        auto rows = x.middleRows(begin, end - begin);
        rows += y.middleRows(begin, end - begin);
        normalize(rows, norm);
    });
}

Encoded Encoder::encode(const std::vector<std::vector<int32_t>> &sentences, Layers &layers, int threads, int batch_size) const {
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
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(batch_size)) {
        const std::size_t count = std::min<std::size_t>(batch_size, order.size() - first);
        std::vector<const std::vector<int32_t> *> batch;
        std::vector<int32_t> lengths;
        for (std::size_t b = 0; b < count; ++b) {
            batch.push_back(&sentences[order[first + b]]);
            lengths.push_back(static_cast<int32_t>(batch.back()->size()));
        }
        const int64_t seq_len = lengths.back();
        const Batch padded = {static_cast<int64_t>(count), seq_len, lengths.data(), threads};

        Matrix x = embed(batch, seq_len), y;
        for (std::size_t layer = 0; layer < weights_.size(); ++layer) {
            auto before = Clock::now();
            layers.attend(layer, padded, x, y);
            result.attention_ms += milliseconds_since(before);
            add_and_normalize(x, y, weights_[layer].attention_norm, threads);
            before = Clock::now();
            layers.feed_forward(layer, padded, x, y);
            result.feed_forward_ms += milliseconds_since(before);
            add_and_normalize(x, y, weights_[layer].output_norm, threads);
        }
        for (std::size_t b = 0; b < count; ++b)
            result.vectors.row(order[first + b]) = x.middleRows(b * seq_len, lengths[b]).colwise().mean().normalized();
    }
    result.total_ms = milliseconds_since(start);
    return result;
}

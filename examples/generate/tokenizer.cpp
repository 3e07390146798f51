#include "tokenizer.h"

#include "input_error.h"

#include <algorithm>
#include <limits>

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_letter(char c) {
    return static_cast<unsigned char>(c) >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_mark(char c) {
    return !is_digit(c) && !is_space(c) && !is_letter(c);
}

/// Length of the first word. GPT-2's rule, a regular expression: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::size_t first_word(std::string_view text) {
    for (std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
        if (text.starts_with(ending))
            return ending.size();
    const auto run = [&](std::size_t from, bool (*of_kind)(char)) {
        return static_cast<std::size_t>(std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), of_kind) -
                                        text.begin());
    };
    const std::size_t start = text[0] == ' ' ? 1 : 0;
    for (bool (*of_kind)(char) : {is_letter, is_mark})
        if (start < text.size() && of_kind(text[start]))
            return run(start, of_kind);
    const std::size_t spaces = run(0, is_space);  // the last one goes to the word after them
    return spaces == text.size() || spaces == 1 ? spaces : spaces - 1;
}

/// Appends the UTF-8 of a code point below 0x800.
void append(std::string &text, unsigned c) {
    if (c < 0x80)
        text += static_cast<char>(c);
    else
        (text += static_cast<char>(0xC0 | c >> 6)) += static_cast<char>(0x80 | (c & 0x3F));
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view text) {
    // Merging looks at all pairs of a word each time; this keeps a file without spaces from taking quadratic time. No word is that long.
    constexpr std::size_t longest = 256;
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const auto digit = static_cast<std::size_t>(std::ranges::find_if(text, is_digit) - text.begin());
        const std::size_t length = digit == 0 ? 1 : std::min(first_word(text.substr(0, digit)), longest);
        words.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return words;
}

Tokenizer::Tokenizer(const Gguf &file)
    : names_(file.texts("tokenizer.ggml.tokens")), unknown_(static_cast<int32_t>(file.integer("tokenizer.ggml.unknown_token_id"))) {
    if (const std::string &kind = file.text("tokenizer.ggml.model"), &rule = file.text("tokenizer.ggml.pre");
        kind != "gpt2" || rule != "smollm")
        throw InputError("the model's tokenizer is " + kind + " with the rule " + rule + ", expected gpt2 with smollm");
    if (unknown_ < 0 || unknown_ >= static_cast<int64_t>(names_.size()))
        throw InputError("the model's unknown token is " + std::to_string(unknown_) + " of " + std::to_string(names_.size()));
    for (std::size_t i = 0; i < names_.size(); ++i)
        tokens_.emplace(names_[i], static_cast<int32_t>(i));
    for (const std::string &merge : file.texts("tokenizer.ggml.merges"))
        ranks_.emplace(merge, static_cast<int32_t>(ranks_.size()));
    // GPT-2's spelling: printable bytes of Latin-1 as themselves, the others as the characters from U+0100 on, in order.
    for (unsigned byte = 0, next = 0x100; byte < 256; ++byte) {
        const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        append(spelling_[byte], printable ? byte : next++);
    }
}

int32_t Tokenizer::token(const std::string &name) const {
    const auto found = tokens_.find(name);
    if (found == tokens_.end())
        throw InputError("the model has no token " + name);
    return found->second;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
    std::vector<int32_t> tokens;
    for (std::string_view word : split_words(text)) {
        std::vector<std::string> parts;
        for (char c : word)
            parts.push_back(spelling_[static_cast<unsigned char>(c)]);
        for (;;) {
            int32_t best = std::numeric_limits<int32_t>::max();
            std::size_t at = 0;
            for (std::size_t i = 0; i + 1 < parts.size(); ++i)
                if (const auto found = ranks_.find(parts[i] + ' ' + parts[i + 1]); found != ranks_.end() && found->second < best) {
                    best = found->second;
                    at = i;
                }
            if (best == std::numeric_limits<int32_t>::max())
                break;
            parts[at] += parts[at + 1];
            parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
        for (const std::string &part : parts) {
            const auto found = tokens_.find(part);
            tokens.push_back(found == tokens_.end() ? unknown_ : found->second);
        }
    }
    return tokens;
}

std::string Tokenizer::decode(int32_t token) const {
    std::string bytes;
    const std::string &name = names_[token];
    for (std::size_t i = 0; i < name.size();) {
        const std::size_t length = static_cast<unsigned char>(name[i]) < 0x80 ? 1 : 2;
        const auto found = std::ranges::find(spelling_, name.substr(i, length));
        bytes += found == spelling_.end() ? name.substr(i, length) : std::string(1, static_cast<char>(found - spelling_.begin()));
        i += length;
    }
    return bytes;
}

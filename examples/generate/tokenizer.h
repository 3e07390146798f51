#pragma once
#include "gguf.h"

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), as GPT-2 and SmolLM have it: text is cut into words, each digit
/// alone; a word starts as its bytes, and the pair of neighbours that comes first in the list of merges becomes one, until none is in it.
/// Beyond ASCII every character counts as a letter, which is right for words; sequences of such punctuation may be cut otherwise than the
/// original does. Decoding is exact.
class Tokenizer {
public:
    /// Throws InputError where the file has no such tokenizer.
    explicit Tokenizer(const Gguf &file);

    /// No special token comes from text, whatever is written there.
    std::vector<int32_t> encode(std::string_view text) const;
    /// A token by its exact name, such as "<|im_end|>". Throws InputError where there is none.
    int32_t token(const std::string &name) const;
    /// The bytes of a token; a character may be spread over several.
    std::string decode(int32_t token) const;

private:
    std::vector<std::string> names_;  ///< as in the file: each byte spelled as a printable character
    int32_t unknown_;                 ///< stands for a byte that is no token: a few control characters
    std::unordered_map<std::string, int32_t> tokens_;
    std::unordered_map<std::string, int32_t> ranks_;  ///< "a b" -> place in the list of merges
    std::array<std::string, 256> spelling_;           ///< of a byte
};

/// The words of a text, in order; together they are the text.
std::vector<std::string_view> split_words(std::string_view text);

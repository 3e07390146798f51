#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// BERT's uncased tokenizer: clean the text, space CJK ideographs apart, fold case and accents, split at spaces and punctuation, then
/// cut each word greedily into the longest pieces of the vocabulary ("tokenizers" -> "token", "##izer", "##s").
/// Devlin et al. 2018 (arXiv:1810.04805). Same tokens as Hugging Face's BertTokenizer where unicode.h covers the letters, but
/// "[SEP]" and its like in a text are plain text here.
class WordPiece {
public:
    /// vocab.txt: one token a line, the id is the line's number from 0. Throws InputError where it lacks [UNK], [CLS] or [SEP],
    /// or has a token twice.
    static WordPiece from_file(const std::string &path);
    explicit WordPiece(std::vector<std::string> vocabulary);

    /// [CLS], the pieces, [SEP]: at most `max_tokens` (at least 2) in all, the text's end is cut. Malformed UTF-8 is skipped.
    std::vector<int32_t> encode(std::string_view text, std::size_t max_tokens = 256) const;

    std::size_t size() const { return vocabulary_.size(); }
    const std::string &token(int32_t id) const { return vocabulary_.at(id); }

private:
    int32_t required(const std::string &token) const;
    void append_word(std::u32string_view word, std::vector<int32_t> &ids) const;
    std::vector<std::string> vocabulary_;
    std::unordered_map<std::string, int32_t> ids_;
    int32_t unknown_ = 0, start_ = 0, end_ = 0;
};

#include "wordpiece.h"

#include "input_error.h"
#include "unicode.h"

#include <fstream>

WordPiece WordPiece::from_file(const std::string &path) {
    std::ifstream file(path);
    if (!file)
        throw InputError(path + ": cannot open");
    std::vector<std::string> vocabulary;
    for (std::string line; std::getline(file, line);) {
        if (!line.empty() && line.back() == '\r')
            line.pop_back();
        vocabulary.push_back(std::move(line));
    }
    try {
        return WordPiece(std::move(vocabulary));
    } catch (const InputError &e) {
        throw InputError(path + ": " + e.what());
    }
}

WordPiece::WordPiece(std::vector<std::string> vocabulary) : vocabulary_(std::move(vocabulary)) {
    for (std::size_t id = 0; id < vocabulary_.size(); ++id)
        if (!ids_.emplace(vocabulary_[id], static_cast<int32_t>(id)).second)
            throw InputError("the vocabulary has \"" + vocabulary_[id] + "\" twice, again on line " + std::to_string(id + 1));
    unknown_ = required("[UNK]");
    start_ = required("[CLS]");
    end_ = required("[SEP]");
}

int32_t WordPiece::required(const std::string &token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end())
        throw InputError("the vocabulary lacks " + token + "; is it the vocab.txt of a BERT model?");
    return found->second;
}

std::vector<int32_t> WordPiece::encode(std::string_view text, std::size_t max_tokens) const {
    // The order is BERT's: clean, space ideographs apart, fold, split. Folding after the split would differ: ≠ folds to =.
    std::u32string clean;
    for (char32_t c : decode_utf8(text)) {
        const bool space = c == U'\t' || c == U'\n' || c == U'\r' || (is_whitespace(c) && !is_control(c));
        if (space) {
            clean += U' ';
        } else if (c == U'\uFFFD' || is_control(c)) {
            continue;
        } else if (is_cjk_ideograph(c)) {
            clean += {U' ', c, U' '};
        } else {
            append_folded(clean, c);
        }
    }

    std::vector<int32_t> ids = {start_};
    const std::size_t limit = max_tokens - 1;
    std::u32string_view rest = clean;
    while (!rest.empty() && ids.size() < limit) {
        std::size_t length = 0;
        while (length < rest.size() && rest[length] != U' ' && !is_punctuation(rest[length]))
            ++length;
        if (length == 0 && rest[0] != U' ')
            length = 1;  // a punctuation mark is a word of its own
        if (length == 0) {
            rest.remove_prefix(1);
            continue;
        }
        append_word(rest.substr(0, length), ids);
        rest.remove_prefix(length);
    }
    if (ids.size() > limit)
        ids.resize(limit);
    ids.push_back(end_);
    return ids;
}

void WordPiece::append_word(std::u32string_view word, std::vector<int32_t> &ids) const {
    constexpr std::size_t max_word = 100;  // code points; BERT's limit, it also bounds the quadratic search below
    const std::size_t before = ids.size();
    for (std::size_t begin = 0; begin < word.size();) {
        std::string piece = begin == 0 ? "" : "##";
        int32_t longest = -1;
        std::size_t longest_end = begin;
        for (std::size_t end = begin; end < word.size() && word.size() <= max_word; ++end) {
            append_utf8(piece, word[end]);
            if (const auto found = ids_.find(piece); found != ids_.end()) {
                longest = found->second;
                longest_end = end + 1;
            }
        }
        if (longest < 0) {  // one piece missing makes the whole word unknown
            ids.resize(before);
            ids.push_back(unknown_);
            return;
        }
        ids.push_back(longest);
        begin = longest_end;
    }
}

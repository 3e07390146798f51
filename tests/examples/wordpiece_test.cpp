#include "wordpiece.h"

#include "input_error.h"
#include "temporary_file.h"

#include <gtest/gtest.h>

namespace {

const WordPiece &small() {
    static const WordPiece tokenizer({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "un",   "##aff", "##able", "##a", "able",
                                      "hello", "world", "cafe",  "!",     ",",    "'",     "中",     "文",  "a",
                                      "##b",   "##bb",  "ᄒ",    "##ᅡ",  "##ᆫ", "[",     "]",      "sep", "="});
    return tokenizer;
}

// The tokens between [CLS] and [SEP], joined by spaces.
std::string tokens(std::string_view text, std::size_t max_tokens = 256) {
    const std::vector<int32_t> ids = small().encode(text, max_tokens);
    EXPECT_LE(ids.size(), max_tokens);
    EXPECT_EQ(small().token(ids.front()), "[CLS]");
    EXPECT_EQ(small().token(ids.back()), "[SEP]");
    std::string joined;
    for (std::size_t i = 1; i + 1 < ids.size(); ++i)
        joined += (i > 1 ? " " : "") + small().token(ids[i]);
    return joined;
}

struct Case {
    const char *name, *text, *tokens;
};
void PrintTo(const Case &c, std::ostream *out) {
    *out << c.name;
}
class WordPieceTokens : public testing::TestWithParam<Case> {};
TEST_P(WordPieceTokens, are) {
    EXPECT_EQ(tokens(GetParam().text), GetParam().tokens);
}

INSTANTIATE_TEST_SUITE_P(Texts, WordPieceTokens,
                         testing::Values(Case{"empty", "", ""},                           // [CLS] [SEP] alone
                                         Case{"spaces", " \t\r\n\u00A0\u3000", ""},       //
                                         Case{"greedy", "unaffable", "un ##aff ##able"},  // longest piece first: ##aff before ##a
                                         Case{"longest_of_several", "abb", "a ##bb"},     //
                                         Case{"no_piece_makes_the_whole_word_unknown", "unaffxable", "[UNK]"},
                                         Case{"continuation_is_not_a_start", "b", "[UNK]"},  // ##b only
                                         Case{"case_and_accents", "HELLO Café CAFE\u0301", "hello cafe cafe"},
                                         Case{"punctuation_splits", "hello,world!!", "hello , world ! !"},
                                         Case{"apostrophe", "a'a", "a ' a"},                     //
                                         Case{"ideographs_stand_alone", "a中文a", "a 中 文 a"},  //
                                         Case{"hangul_is_decomposed", "한", "ᄒ ##ᅡ ##ᆫ"},     //
                                         Case{"controls_vanish", "hel\u200Blo wor\x07ld\uFEFF", "hello world"},
                                         Case{"malformed_utf8_vanishes", "hel\xFFlo \xE2\x82", "hello"},
                                         Case{"folded_before_the_split", "a≠a", "a = a"},  // ≠ is = with a stroke
                                         Case{"special_tokens_are_text", "[SEP]", "[ sep ]"}),
                         [](const auto &info) { return info.param.name; });

TEST(WordPiece, a_word_over_100_characters_is_unknown) {
    EXPECT_EQ(tokens("a" + std::string(99, 'b')).substr(0, 6), "a ##bb");
    EXPECT_EQ(tokens("a" + std::string(100, 'b')), "[UNK]");
}

TEST(WordPiece, the_end_of_a_long_text_is_cut) {
    EXPECT_EQ(tokens("hello world hello world", 4), "hello world");
    EXPECT_EQ(tokens("hello unaffable", 4), "hello un");  // also within a word
    EXPECT_EQ(tokens("hello", 2), "");
}

TEST(WordPiece, a_vocabulary_without_special_tokens_or_with_a_token_twice_is_refused) {
    EXPECT_THROW(WordPiece({"[UNK]", "[CLS]", "a"}), InputError);
    EXPECT_THROW(WordPiece({"[UNK]", "[CLS]", "[SEP]", "a", "a"}), InputError);
}

TEST(WordPiece, reads_a_file_with_either_line_ending) {
    const TemporaryFile file("[UNK]\r\n[CLS]\n[SEP]\nhello\n");
    const WordPiece tokenizer = WordPiece::from_file(file.path());
    EXPECT_EQ(tokenizer.size(), 4u);
    EXPECT_EQ(tokenizer.encode("hello"), (std::vector<int32_t>{1, 3, 2}));
    EXPECT_THROW(WordPiece::from_file(file.path() + ".missing"), InputError);
}

}  // namespace

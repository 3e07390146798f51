#include "tokenizer.h"

#include "input_error.h"
#include "temporary_file.h"
#include "tiny_model.h"

#include <gtest/gtest.h>

namespace {

struct Words {
    const char *name;
    std::string text;
    std::vector<std::string_view> words;
};
void PrintTo(const Words &c, std::ostream *out) {
    *out << c.name;
}
class SplitWords : public testing::TestWithParam<Words> {};

TEST_P(SplitWords, are_those_of_the_rule) {
    EXPECT_EQ(split_words(GetParam().text), GetParam().words);
}

// Each was compared with Hugging Face's tokenizers.
INSTANTIATE_TEST_SUITE_P(Rule, SplitWords,
                         testing::Values(Words{"empty", "", {}},  //
                                         Words{"a_space_goes_to_its_word", "a bc  de", {"a", " bc", " ", " de"}},
                                         Words{"digits_stand_alone", "in 1847", {"in", " ", "1", "8", "4", "7"}},
                                         Words{"spaces_before_a_digit_stay_together", "a   1", {"a", "   ", "1"}},
                                         Words{"marks", "(x) ...", {"(", "x", ")", " ..."}},
                                         Words{"endings", "don't they'll 'sx", {"don", "'t", " they", "'ll", " '", "sx"}},
                                         Words{"newlines", "a\n\nb\n c", {"a", "\n", "\n", "b", "\n", " c"}},
                                         Words{"spaces_at_the_end", "a  \n", {"a", "  \n"}},
                                         Words{"accents_are_letters", "na\u00efve caf\u00e9", {"na\u00efve", " caf\u00e9"}}),
                         [](const auto &info) { return info.param.name; });

TEST(SplitWords, a_text_without_spaces_is_cut) {
    const std::string text(1000, 'x');
    EXPECT_EQ(split_words(text).size(), 4u);
}

struct TinyTokenizer : testing::Test {
    static std::string file() {
        GgufWriter w;
        write_tokenizer(w);
        return w.file();
    }
    TemporaryFile path{file()};
    Gguf gguf{path.path()};
    Tokenizer tokenizer{gguf};
};

TEST_F(TinyTokenizer, merges_in_the_order_of_the_list) {
    // h e l l o -> h e ll o -> he ll o -> hell o
    EXPECT_EQ(tokenizer.encode("hello"), (std::vector<int32_t>{260, 'o'}));
    EXPECT_EQ(tokenizer.encode("lllhe"), (std::vector<int32_t>{261, 'l', 259}));
}

TEST_F(TinyTokenizer, decodes_every_byte) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string text(1, static_cast<char>(byte));
        EXPECT_EQ(tokenizer.encode(text), std::vector<int32_t>{byte});
        EXPECT_EQ(tokenizer.decode(byte), text);
    }
    EXPECT_EQ(tokenizer.decode(260), "hell");
}

TEST_F(TinyTokenizer, takes_no_special_token_from_text) {
    EXPECT_EQ(tokenizer.token("<|im_end|>"), 258);
    EXPECT_EQ(tokenizer.encode("<|im_end|>").size(), 10u);
    EXPECT_THROW(tokenizer.token("<|nothing|>"), InputError);
}

}  // namespace

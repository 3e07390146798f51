#include "unicode.h"

#include <gtest/gtest.h>

namespace {

std::string folded(std::string_view text) {
    std::u32string codes;
    for (char32_t c : decode_utf8(text))
        append_folded(codes, c);
    std::string out;
    for (char32_t c : codes)
        append_utf8(out, c);
    return out;
}

TEST(Unicode, utf8_round_trips_at_the_edges_of_each_length) {
    for (char32_t c : {U'\x01', U'\x7F', U'\x80', U'\u07FF', U'\u0800', U'\uD7FF', U'\uE000', U'\uFFFF', U'\U00010000', U'\U0010FFFF'}) {
        std::string text;
        append_utf8(text, c);
        EXPECT_EQ(decode_utf8(text), std::u32string(1, c)) << static_cast<uint32_t>(c);
    }
}

TEST(Unicode, each_malformed_byte_is_a_replacement_character) {
    EXPECT_EQ(decode_utf8("a\xFF"
                          "b"),
              U"a\uFFFDb");
    EXPECT_EQ(decode_utf8("\x80"), U"\uFFFD");
    EXPECT_EQ(decode_utf8("\xC3"), U"\uFFFD");                                // cut
    EXPECT_EQ(decode_utf8("\xE2\x82"), U"\uFFFD\uFFFD");                      // cut
    EXPECT_EQ(decode_utf8("\xC0\xAF"), U"\uFFFD\uFFFD");                      // overlong
    EXPECT_EQ(decode_utf8("\xE0\x80\xAF"), U"\uFFFD\uFFFD\uFFFD");            // overlong
    EXPECT_EQ(decode_utf8("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");            // surrogate
    EXPECT_EQ(decode_utf8("\xF4\x90\x80\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");  // over U+10FFFF
}

TEST(Unicode, folds_case_and_accents) {
    EXPECT_EQ(folded("ÀÉÎÕÜ àéîõü ÇçÑñ ĄąŁłŞşŽž"), "aeiou aeiou ccnn aałłsszz");  // ł has no decomposition
    EXPECT_EQ(folded("ÆØÞ ß ẞ"), "æøþ ß ß");
    EXPECT_EQ(folded("e\u0301 A\u030A İ"), "e a i");
    EXPECT_EQ(folded("Nguyễn Ấn Ữ"), "nguyen an u");
    EXPECT_EQ(folded("ΆΛΦΑ ᾳ ΐ Ω"), "αλφα α ι ω");
    EXPECT_EQ(folded("ЁЙ ЖУК Ђ"), "еи жук ђ");
    EXPECT_EQ(folded("がパ"), "かハ");
    EXPECT_EQ(folded("한가"), "\u1112\u1161\u11AB\u1100\u1161");
    EXPECT_EQ(folded("ＡＺ ⅣⒶ ≠"), "ａｚ ⅳⓐ =");
}

TEST(Unicode, categories) {
    for (char32_t c : U"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡«»‘’“”–—…、。「」！？") {
        if (c) {
            EXPECT_TRUE(is_punctuation(c)) << static_cast<uint32_t>(c);
        }
    }
    for (char32_t c : {U'a', U'0', U' ', U'é', U'€', U'×', U'°', U'中'})
        EXPECT_FALSE(is_punctuation(c)) << static_cast<uint32_t>(c);
    for (char32_t c : {U'\u0301', U'\u05B0', U'\uFE0F', U'\u3099'})
        EXPECT_TRUE(is_nonspacing_mark(c)) << static_cast<uint32_t>(c);
    for (char32_t c : {U'\u200B', U'\u00AD', U'\uFEFF', U'\x07', U'\uE000'})
        EXPECT_TRUE(is_control(c)) << static_cast<uint32_t>(c);
    for (char32_t c : {U' ', U'\t', U'\u00A0', U'\u3000', U'\u2028'})
        EXPECT_TRUE(is_whitespace(c)) << static_cast<uint32_t>(c);
    EXPECT_TRUE(is_cjk_ideograph(U'中'));
    EXPECT_FALSE(is_cjk_ideograph(U'か'));
    EXPECT_FALSE(is_cjk_ideograph(U'한'));
}

}  // namespace

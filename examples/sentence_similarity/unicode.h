#pragma once
#include <string>
#include <string_view>

/// The little of Unicode that a BERT tokenizer needs. Categories are those of Unicode 14.0 and complete for the Basic Multilingual
/// Plane; fold() covers the scripts named there.

/// Code points of UTF-8 text; each malformed byte becomes U+FFFD.
std::u32string decode_utf8(std::string_view text);
void append_utf8(std::string &text, char32_t c);

bool is_whitespace(char32_t c);       ///< property White_Space
bool is_control(char32_t c);          ///< categories Cc, Cf, Co (controls, format, private use); tab and newlines too
bool is_nonspacing_mark(char32_t c);  ///< category Mn: combining accents
bool is_punctuation(char32_t c);      ///< category P, and every ASCII character that is no letter, digit, space or control
bool is_cjk_ideograph(char32_t c);    ///< the blocks that BERT spaces apart; not kana or hangul

/// Appends `c` in lower case, decomposed (NFD) and without its combining accents: é and É give e, Ж gives ж, が gives か, 한 gives ᄒ ᅡ ᆫ.
/// Covered: Latin, Greek (also polytonic), Cyrillic (up to U+052F), Armenian, Georgian, kana, hangul, full width, letterlike and
/// mathematical symbols. Not covered, hence unchanged: two-part vowels and nukta letters of Indic scripts, compatibility ideographs,
/// Cyrillic Extended-B, capitals of Cherokee, Coptic, Glagolitic, and what lies beyond the Basic Multilingual Plane.
void append_folded(std::u32string &text, char32_t c);

#pragma once
#include "generator/spec/source.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace attune {

struct Token {
    enum class Kind { end, integer, real, string, name, symbol } kind = Kind::end;
    std::string_view text;  ///< as written; of a string: without its quotes
    size_t offset = 0;      ///< of its first byte
    size_t length = 0;      ///< in bytes, quotes included
    int64_t integer = 0;
    double real = 0;

    bool is(std::string_view symbol) const { return kind == Kind::symbol && text == symbol; }
};

/// Names are letters, digits and _; numbers 12, 1.5, 1e-3; strings stand in " or '; symbols && || ! < <= > >= == != + - * / % ( ) [ ] ,
/// The last token is `end`. Throws the source's error for anything else.
std::vector<Token> lex(const Source &source);

bool starts_name(char c);
bool continues_name(char c);

}  // namespace attune

#include "generator/spec/lexer.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

namespace attune {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// What to write instead of a character that the language does not have.
const char *cure_for(std::string_view rest) {
    static constexpr struct {
        const char *written, *cure;
    } cures[] = {
        {"&", "write &&"},
        {"|", "write ||"},
        {"=", "write == to compare"},
        {"?", "write select(condition, then, else)"},
        {":", "write select(condition, then, else)"},
        {"^", "there is no power: multiply, or write exp2(x * log2(y))"},
        {"~", "write ! for not"},
        {".", "write a digit before the point, such as 0.5"},
        {";", "write one expression"},
        {"\xe2\x89\xa4", "write <="},  // ≤
        {"\xe2\x89\xa5", "write >="},  // ≥
        {"\xe2\x89\xa0", "write !="},  // ≠
        {"\xc2\xb7", "write *"},       // ·
        {"\xe2\x88\x92", "write -"},   // the minus of typesetters
        {"\xe2\x88\xa7", "write &&"},  // ∧
        {"\xe2\x88\xa8", "write ||"},  // ∨
        {"\xc2\xac", "write !"},       // ¬
    };
    for (const auto &[written, cure] : cures)
        if (rest.starts_with(written)) return cure;
    return "remove it";
}

class Lexer {
public:
    explicit Lexer(const Source &source) : source_(source), text_(source.text()) {}

    std::vector<Token> run() {
        std::vector<Token> tokens;
        for (;;) {
            while (at_ < text_.size() && is_space(text_[at_])) at_++;
            if (at_ == text_.size()) break;
            tokens.push_back(next());
            at_ = tokens.back().offset + tokens.back().length;
        }
        tokens.push_back({.kind = Token::Kind::end, .text = {}, .offset = text_.size(), .length = 0});
        return tokens;
    }

private:
    Token token(Token::Kind kind, size_t length) const {
        return {.kind = kind, .text = text_.substr(at_, length), .offset = at_, .length = length};
    }

    Token next() const {
        const char c = text_[at_];
        if (starts_name(c)) return token(Token::Kind::name, name_end(at_) - at_);
        if (is_digit(c)) return number();
        if (c == '"' || c == '\'') return string();
        for (const std::string_view symbol :
             {"&&", "||", "<=", ">=", "==", "!=", "<", ">", "!", "+", "-", "*", "/", "%", "(", ")", "[", "]", ","})
            if (text_.substr(at_).starts_with(symbol)) return token(Token::Kind::symbol, symbol.size());

        size_t length = 1;
        while (at_ + length < text_.size() && (static_cast<unsigned char>(text_[at_ + length]) & 0xc0) == 0x80) length++;
        source_.fail(at_, length, fmt::format("unexpected {}", text_.substr(at_, length)),
                     "names, numbers, && || ! < <= > >= == != + - * / % ( ) [ ] and ,", cure_for(text_.substr(at_)));
    }

    size_t name_end(size_t i) const {
        while (i < text_.size() && continues_name(text_[i])) i++;
        return i;
    }

    size_t digits_end(size_t i) const {
        while (i < text_.size() && is_digit(text_[i])) i++;
        return i;
    }

    Token number() const {
        size_t end = digits_end(at_);
        bool real = false;
        if (end < text_.size() && text_[end] == '.') real = true, end = digits_end(end + 1);
        if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
            const size_t sign = end + 1 < text_.size() && (text_[end + 1] == '+' || text_[end + 1] == '-') ? end + 2 : end + 1;
            if (digits_end(sign) > sign) real = true, end = digits_end(sign);
        }
        if (end < text_.size() && (continues_name(text_[end]) || text_[end] == '.')) {
            const size_t wrong = name_end(end + 1);
            source_.fail(at_, wrong - at_, fmt::format("{} is no number", text_.substr(at_, wrong - at_)),
                         "a number such as 12, 0.5 or 1e-3", "write an operator between a number and what follows");
        }

        Token out = token(real ? Token::Kind::real : Token::Kind::integer, end - at_);
        const char *first = out.text.data(), *last = first + out.text.size();
        const std::errc status = real ? std::from_chars(first, last, out.real).ec : std::from_chars(first, last, out.integer).ec;
        if (status != std::errc())
            source_.fail(at_, out.length, fmt::format("{} is too {}", out.text, real ? "large or too small" : "large"),
                         real ? "a number of at most 1.79e308 that is not below 5e-324" : "an integer of at most 9223372036854775807",
                         "write another number");
        return out;
    }

    Token string() const {
        const char quote = text_[at_];
        size_t end = at_ + 1;
        while (end < text_.size() && text_[end] != quote && static_cast<unsigned char>(text_[end]) >= 0x20) end++;
        if (end == text_.size() || text_[end] != quote)
            source_.fail(at_, 1, "a string has no end", fmt::format("a closing {}", quote), fmt::format("close it with {}", quote));
        Token out = token(Token::Kind::string, end + 1 - at_);
        out.text = text_.substr(at_ + 1, end - at_ - 1);
        return out;
    }

    const Source &source_;
    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_name(char c) { return starts_name(c) || is_digit(c); }

std::vector<Token> lex(const Source &source) { return Lexer(source).run(); }

}  // namespace attune

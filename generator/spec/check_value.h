#pragma once
#include "generator/spec/field.h"

#include <charconv>
#include <optional>

namespace attune {

// One function for each kind of key (KeyKind): the value, or an Error that says what it should be.

/// All of a text as a number.
template <class Number>
bool read_number(const std::string &text, Number &number) {
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    return status == std::errc() && end == text.data() + text.size();
}

bool contains(const std::vector<std::string> &words, const std::string &word);

std::string check_identifier(const Field &field);
int64_t check_integer(const Field &field);
/// The integer, or nothing where the word stands.
std::optional<int64_t> check_integer_or_word(const Field &field);
bool check_boolean(const Field &field);
/// The word if it is one of the key's; else the error says why not.
std::string check_word(const Field &field);
std::string check_word(const Field &field, const std::string &found, ErrorCode later_code = ErrorCode::usage);
std::vector<std::string> check_words(const Field &field, ErrorCode later_code = ErrorCode::usage);

}  // namespace attune

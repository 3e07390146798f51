#include "generator/spec/check_value.h"
#include "generator/spec/nearest.h"
#include "generator/spec/reserved.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

namespace attune {

using Type = RawValue::Type;

namespace {

/// What people write for our names of types.
const char *type_alias(const std::string &word) {
    static const std::tuple<const char *, const char *> aliases[] = {
        {"float32", "f32"}, {"float", "f32"}, {"fp32", "f32"}, {"single", "f32"},     {"float16", "f16"},    {"fp16", "f16"},
        {"half", "f16"},    {"_Float16", "f16"}, {"bfloat16", "bf16"}, {"bfloat", "bf16"}, {"bf", "bf16"},
    };
    for (const auto &[alias, name] : aliases)
        if (word == alias) return name;
    return nullptr;
}

}  // namespace

bool contains(const std::vector<std::string> &words, const std::string &word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::string check_word(const Field &field, const std::string &found, ErrorCode later_code) {
    const SpecKey &key = field.key;
    if (contains(key.allowed, found)) return found;
    const std::string word = found.empty() ? "\"\"" : found;
    if (contains(key.later, found))
        field.fail(word, "", fmt::format("{} {} is known, but not in this version", field.argument(), found), "", later_code);

    std::vector<std::string> candidates = key.allowed;
    candidates.insert(candidates.end(), key.later.begin(), key.later.end());
    const char *alias = type_alias(found);
    const std::string guess = nearest(found, candidates);
    const std::string cure = alias && contains(key.allowed, alias) ? fmt::format("write {}", alias)
                             : guess.empty()                       ? ""
                                                                   : fmt::format("did you mean {}", guess);
    field.fail(word, cure, key.kind == KeyKind::words ? fmt::format("{} has {}", field.argument(), word) : "");
}

std::string check_identifier(const Field &field) {
    const auto &[key, value] = field;
    if (value.type != Type::string) field.fail(shown(value));
    const std::string &name = value.text;
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (name.empty()) field.fail("\"\"", "choose a name, or leave the key out");
    if (name.size() > 63) field.fail(name, "choose a shorter name");
    if (!std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c) || c == '_'; }) || digit(name[0]))
        field.fail(shown(value, true));
    if (name[0] == '_' || name.find("__") != std::string::npos)
        field.fail(name, "", "", "a C identifier without leading or double underscores, which are reserved");
    if (is_reserved_in_c(name)) field.fail(name, "choose another name", "", "a C identifier that is no word of C or C++ or its library");
    return name;
}

int64_t check_integer(const Field &field) {
    const auto &[key, value] = field;
    int64_t number = 0;
    if (value.type == Type::string) {
        const auto [end, status] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
        const bool is_number = status == std::errc() && end == value.text.data() + value.text.size();
        field.fail(shown(value, value.flag.empty()), is_number && value.flag.empty() ? "remove the quotes" : "");
    }
    if (value.type != Type::integer) field.fail(shown(value));
    const auto [end, status] = std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
    if (status != std::errc() || end != value.text.data() + value.text.size() || number < key.low || number > key.high) field.fail(value.text);
    return number;
}

std::optional<int64_t> check_integer_or_word(const Field &field) {
    if (field.value.type == Type::string && contains(field.key.allowed, field.value.text)) return std::nullopt;
    return check_integer(field);
}

std::string check_word(const Field &field) {
    if (field.value.type != Type::string) field.fail(shown(field.value));
    return check_word(field, field.value.text);
}

bool check_boolean(const Field &field) {
    if (field.value.type != Type::boolean) field.fail(shown(field.value, true));
    return field.value.text == "true";
}

std::vector<std::string> check_words(const Field &field, ErrorCode later_code) {
    const auto &[key, value] = field;
    if (value.type != Type::array) field.fail(shown(value, true), value.type == Type::string ? fmt::format("write [\"{}\"]", value.text) : "");
    std::set<std::string> seen;
    for (const std::string &item : value.items) {
        check_word(field, item, later_code);
        if (!seen.insert(item).second)
            field.fail(shown(value), fmt::format("write {} once", item), fmt::format("{} has {} twice", field.argument(), item));
    }
    return value.items;
}

}  // namespace attune

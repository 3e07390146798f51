#include "generator/spec/error.h"
#include "generator/spec/keys.h"
#include "generator/spec/nearest.h"
#include "generator/spec/spec.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>

namespace attune {
namespace {

using Type = RawValue::Type;

/// Words that cannot name a function in a header for C and C++: keywords of both, macros and functions that every program has.
const std::set<std::string> &reserved_names() {
    static const std::set<std::string> names = {
        "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "char16_t",
        "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const", "const_cast", "consteval",
        "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum",
        "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable",
        "namespace", "new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
        "register", "reinterpret_cast", "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert",
        "static_cast", "struct", "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename",
        "typeof", "typeof_unqual", "union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
        "NULL", "EOF", "assert", "errno", "linux", "unix", "i386", "main", "abort", "abs", "calloc", "cos", "exit", "exp", "exp2", "expf",
        "fabs", "floor", "fprintf", "free", "getenv", "log", "log2", "logf", "malloc", "memcmp", "memcpy", "memmove", "memset", "pow",
        "printf", "read", "realloc", "sin", "sqrt", "sqrtf", "strcmp", "strlen", "tanh", "write"};
    return names;
}

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

bool contains(const std::vector<std::string> &words, const std::string &word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// The value in a message: strings are quoted where they look like something else or are empty.
std::string shown(const RawValue &value, bool quoted = false) {
    return value.text.empty() || (value.type == Type::string && quoted) ? fmt::format("\"{}\"", value.text) : value.text;
}

/// A key with its value: where an error points to.
struct Field {
    const SpecKey &key;
    const RawValue &value;

    std::string argument() const { return value.flag.empty() ? key.shown() : value.flag; }

    [[noreturn]] void fail(const std::string &found, const std::string &cure = "", const std::string &problem = "",
                           const std::string &expected = "", ErrorCode code = ErrorCode::usage) const {
        throw Error({.code = code,
                     .argument = argument(),
                     .value = found,
                     .expected = expected.empty() ? key.expected() : expected,
                     .cure = cure.empty() ? key.cure : cure,
                     .file = value.file,
                     .line = value.line,
                     .column = value.column,
                     .problem = problem});
    }
};

// ---- one function a kind of key --------------------------------------------------------------------------------------------

/// `found` if it is one of the key's words; else the error says why not.
std::string check_word(const Field &field, const std::string &found, ErrorCode later_code = ErrorCode::usage) {
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
    if (reserved_names().contains(name)) field.fail(name, "choose another name", "", "a C identifier that is no word of C or C++ or its library");
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

/// The integer, or nothing where the word stands.
std::optional<int64_t> check_integer_or_word(const Field &field) {
    if (field.value.type == Type::string && contains(field.key.allowed, field.value.text)) return std::nullopt;
    return check_integer(field);
}

/// The number, or nothing for the word.
std::optional<double> check_scale(const Field &field) {
    const auto &[key, value] = field;
    std::string text = value.text;
    text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\t'; }), text.end());
    if (value.type == Type::string && contains(key.allowed, text)) return std::nullopt;
    if (value.type == Type::string && text == "1/sqrt(head_dim)") field.fail(text, "write rsqrt(head_dim)");
    if (value.type != Type::string && value.type != Type::integer && value.type != Type::real) field.fail(shown(value));
    if (value.type == Type::real) text.erase(std::remove(text.begin(), text.end(), '_'), text.end());  // 1_000.5
    if (text.starts_with('+')) text.erase(0, 1);
    double number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_number = status == std::errc() && end == text.data() + text.size();
    // Kernels hold it, times log2(e), in f32; written so that NaN fails.
    if (!is_number || !(number >= 1e-30 && number <= 1e30)) field.fail(shown(value, !is_number && value.flag.empty()));
    return number;
}

std::vector<std::string> check_words(const Field &field, ErrorCode later_code = ErrorCode::usage) {
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

// ---- keys that are not in the table, or not in this version ----------------------------------------------------------------

[[noreturn]] void fail_key(const std::string &key, const RawValue &value, const std::string &problem, const std::string &expected,
                           const std::string &cure) {
    throw Error({.code = ErrorCode::usage,
                 .argument = !value.flag.empty() ? value.flag : key.empty() ? "\"\"" : key,
                 .value = shown(value),
                 .expected = expected,
                 .cure = cure,
                 .file = value.file,
                 .line = value.line,
                 .column = value.key_column > 0 ? value.key_column : value.column,
                 .problem = problem});
}

void check_key(const std::string &key, const RawValue &value) {
    const size_t dot = key.find('.');
    const std::string table = dot == std::string::npos || key[0] == '"' ? "" : key.substr(0, dot);
    const std::string name = table.empty() ? key : key.substr(dot + 1);
    const std::vector<std::string> tables = {"kernel", "targets"};

    if (const SpecKey *known = find_spec_key(key)) {
        if (known->kind != KeyKind::later) return;
        const std::string what = value.flag.empty() ? (known->name[0] ? "key " + name : "table [" + name + "]") : "flag " + value.flag;
        const std::string where = known->name[0] ? table : "kernel";
        fail_key(name, value, fmt::format("{} is known, but not in this version", what),
                 fmt::format("only {}", fmt::join(spec_key_names(where), ", ")), "remove it");
    }
    if (table.empty() && contains(tables, name))
        fail_key(name, value, value.type == Type::array ? fmt::format("{} is a list", name) : "", fmt::format("a table [{}]", name),
                 fmt::format("write [{}], once, and its keys below it", name));
    if (table.empty()) {
        for (const std::string &t : tables)
            if (find_spec_key(t + "." + name))
                fail_key(name, value, fmt::format("key {} stands outside a table", name), fmt::format("it in [{}]", t),
                         fmt::format("put it under [{}]", t));
        const std::string guess = nearest(name, tables);
        fail_key(name, value, fmt::format("unknown {} {}", value.type == Type::table ? "table" : "key", name), "[kernel] or [targets]",
                 guess.empty() ? "remove it" : fmt::format("did you mean [{}]", guess));
    }
    std::vector<std::string> candidates;
    for (const SpecKey &k : spec_keys())
        if (k.table == table && k.name[0]) candidates.emplace_back(k.name);
    const std::string guess = nearest(name, candidates);
    fail_key(name, value, fmt::format("unknown key {} in [{}]", name.empty() ? "\"\"" : name, table),
             fmt::format("one of {}", fmt::join(spec_key_names(table), ", ")),
             guess.empty() ? "remove it" : fmt::format("did you mean {}", guess));
}

}  // namespace

AttentionSpec validate_spec(const RawSpec &raw) {
    // Unknown keys first, as they stand in the file: a misspelt key explains what follows from it.
    std::vector<std::pair<std::string, const RawValue *>> by_position;
    for (const auto &[key, value] : raw) by_position.emplace_back(key, &value);
    std::stable_sort(by_position.begin(), by_position.end(), [](const auto &a, const auto &b) {
        return std::tie(a.second->line, a.second->column) < std::tie(b.second->line, b.second->column);
    });
    for (const auto &[key, value] : by_position) check_key(key, *value);

    const auto find = [&](const char *key) -> std::optional<Field> {
        const auto found = raw.find(key);
        if (found == raw.end()) return std::nullopt;
        return Field{*find_spec_key(key), found->second};
    };
    const auto word = [](const Field &field) {
        if (field.value.type != Type::string) field.fail(shown(field.value));
        return check_word(field, field.value.text);
    };

    AttentionSpec spec;
    if (const auto field = find("kernel.dtype")) {
        const std::string name = word(*field);
        for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
            if (name == dtype_name(dtype)) spec.dtype = dtype;
    }
    if (const auto field = find("kernel.head_dim")) spec.head_dim = static_cast<int>(check_integer(*field));
    spec.head_dim_v = spec.head_dim;
    if (const auto field = find("kernel.head_dim_v")) spec.head_dim_v = static_cast<int>(check_integer(*field));
    if (const auto field = find("kernel.group")) spec.group = static_cast<int>(check_integer_or_word(*field).value_or(0));

    spec.softmax_scale = 1 / std::sqrt(static_cast<double>(spec.head_dim));
    if (const auto field = find("kernel.scale"))
        if (const auto number = check_scale(*field)) {
            spec.softmax_scale = *number;
            spec.scale = fmt::format("{}", *number);
        }

    if (const auto field = find("kernel.mask")) {
        const RawValue &value = field->value;
        const bool everything = value.text == "true" && (value.type == Type::string || value.type == Type::boolean);
        const std::string name = everything ? "none" : word(*field);
        for (const Mask mask : {Mask::none, Mask::causal, Mask::causal_top_left})
            if (name == mask_name(mask)) spec.mask = mask;
    }
    if (const auto field = find("kernel.outputs")) {
        const auto outputs = check_words(*field);
        if (!contains(outputs, "out")) field->fail(shown(field->value), "", "", "a list with \"out\", and \"lse\" where it is wanted");
        spec.lse = contains(outputs, "lse");
    }
    if (const auto field = find("kernel.phases"))
        if (check_words(*field).empty()) field->fail(shown(field->value));
    if (const auto field = find("kernel.algorithm")) {
        const std::string name = word(*field);
        for (const Algorithm a : {Algorithm::automatic, Algorithm::fixed_reference, Algorithm::online, Algorithm::full_row})
            if (name == algorithm_name(a)) spec.algorithm = a;
    }

    if (const auto field = find("targets.cpu")) {
        const auto names = check_words(*field, ErrorCode::target);
        if (names.empty()) field->fail(shown(field->value));
        if (contains(names, "auto") && names.size() > 1) field->fail(shown(field->value), "auto is all of them, so it stands alone");
        if (!contains(names, "auto")) std::erase_if(spec.targets, [&](const std::string &target) { return !contains(names, target); });
    }
    if (const auto field = find("targets.gpu")) {
        if (field->value.type != Type::array) field->fail(shown(field->value, true));
        if (!field->value.items.empty())
            field->fail(shown(field->value), "", "GPU targets are not in this version", "", ErrorCode::target);
    }

    spec.name = spec.id();
    if (const auto field = find("kernel.name")) spec.name = check_identifier(*field);
    return spec;
}

}  // namespace attune

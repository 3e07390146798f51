#include "generator/spec/error.h"
#include "generator/spec/keys.h"
#include "generator/spec/spec.h"

#include <stdexcept>

// toml++ states with assertions what malformed files can break ("[[[a]]]": marzer/tomlplusplus issue 294): as exceptions they become
// our error, in release builds too, where they would be undefined behaviour.
struct TomlAssertion : std::logic_error {
    using logic_error::logic_error;
};
static void fail_assertion(const char *what) { throw TomlAssertion(what); }
#undef NDEBUG
#define TOML_ASSERT(...) (static_cast<bool>(__VA_ARGS__) ? void() : fail_assertion(#__VA_ARGS__))
#define TOML_MAX_NESTED_VALUES 16  // lists nest one level in a specification; the rest is an attack on the stack
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace attune {
namespace {

constexpr size_t largest_file = 1 << 16;
constexpr int most_dots = 64;  // in a line: "a.b.c" makes a table in a table in a table

[[noreturn]] void fail_unreadable(const std::string &path, const std::string &why) {
    throw Error({.code = ErrorCode::input,
                 .argument = "SPEC",
                 .value = path.empty() ? "\"\"" : path,
                 .expected = "a specification in TOML",
                 .cure = "check the path and its permissions",
                 .file = path,
                 .problem = "the specification cannot be read: " + why});
}

[[noreturn]] void fail_syntax(const std::string &path, const std::string &what, int line, int column) {
    throw Error({.argument = "SPEC",
                 .value = what,
                 .expected = "valid TOML",
                 .cure = "compare with https://toml.io/en/v1.0.0",
                 .file = path,
                 .line = line,
                 .column = column,
                 .problem = what});
}

std::string uncapitalised(std::string text) {
    if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && !(text[1] >= 'A' && text[1] <= 'Z')) text[0] = static_cast<char>(text[0] - 'A' + 'a');
    while (text.ends_with('.')) text.pop_back();
    return text;
}

std::string read_text(const std::string &path) {
    const auto close = [](std::FILE *f) { std::fclose(f); };
    const std::unique_ptr<std::FILE, decltype(close)> file(path.find('\0') == std::string::npos ? std::fopen(path.c_str(), "rb") : nullptr, close);
    if (!file) fail_unreadable(path, uncapitalised(std::strerror(errno)));
    std::string text(largest_file + 1, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get())) fail_unreadable(path, uncapitalised(std::strerror(errno)));
    if (text.size() > largest_file) fail_unreadable(path, fmt::format("it has more than {} bytes", largest_file));
    return text;
}

/// toml++ builds and destroys tables recursively, so a line of dots alone could exhaust the stack.
void refuse_deep_tables(const std::string &text, const std::string &path) {
    int line = 1, column = 0, dots = 0;
    char before = 0;
    for (const char c : text) {
        column++;
        if (c == '\n') line++, column = 0, dots = 0;
        if (c == '.' && before != '.' && ++dots > most_dots) {
            const std::string what = fmt::format("a line with more than {} dots", most_dots);
            throw Error({.argument = "SPEC",
                         .value = what,
                         .expected = "tables no deeper than [kernel] and [targets]",
                         .cure = "shorten the line",
                         .file = path,
                         .line = line,
                         .column = column,
                         .problem = what});
        }
        if (c != ' ' && c != '\t') before = c;
    }
}

/// The piece of `text` between two positions of toml++ (lines and columns in characters, from 1) if they are on one line.
std::string_view source_text(std::string_view text, const toml::source_region &region) {
    if (region.begin.line != region.end.line) return {};
    for (unsigned line = 1; line < region.begin.line; line++) {
        const size_t end = text.find('\n');
        if (end == std::string_view::npos) return {};
        text.remove_prefix(end + 1);
    }
    const auto offset = [&](unsigned column) {
        size_t i = 0;
        for (unsigned n = 1; i < text.size() && n < column; n++)
            do i++;
            while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80);
        return i;
    };
    const size_t begin = offset(region.begin.column), end = offset(region.end.column);
    return end > begin ? text.substr(begin, end - begin) : std::string_view();
}

std::string trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \t\r");
    return begin == std::string_view::npos ? "" : std::string(text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin));
}

RawValue::Type type_of(const toml::node &node) {
    using Type = RawValue::Type;
    switch (node.type()) {
    case toml::node_type::table: return Type::table;
    case toml::node_type::array: return Type::array;
    case toml::node_type::integer: return Type::integer;
    case toml::node_type::floating_point: return Type::real;
    case toml::node_type::boolean: return Type::boolean;
    case toml::node_type::string: return Type::string;
    default: return Type::date;
    }
}

std::string text_of(const toml::node &node, std::string_view source) {
    if (const auto *s = node.as_string()) return s->get();
    if (const auto *i = node.as_integer()) return std::to_string(i->get());
    if (const auto *b = node.as_boolean()) return b->get() ? "true" : "false";
    if (node.is_table()) return "a table";
    const std::string written = trimmed(source_text(source, node.source()));
    if (!written.empty()) return written;
    if (node.is_array()) return "a list";
    if (const auto *f = node.as_floating_point()) return fmt::format("{}", f->get());
    return "a date or time";
}

class Reader {
public:
    Reader(const std::string &source, const std::string &path) : source_(source), path_(path) {}

    RawSpec read(const toml::table &root) {
        for (const auto &[key, node] : root) {
            const std::string table(key.str());
            if (const auto *inner = node.as_table(); inner && !spec_key_names(table).empty()) {
                for (const auto &[name, value] : *inner) add(table + "." + std::string(name.str()), name, value);
            } else {
                // A quoted "kernel.head_dim" at the top is not the key head_dim of [kernel].
                add(table.find('.') == std::string::npos ? table : "\"" + table + "\"", key, node);
            }
        }
        return std::move(raw_);
    }

private:
    void add(const std::string &name, const toml::key &key, const toml::node &node) {
        RawValue &value = raw_[name];
        value.type = type_of(node);
        value.text = text_of(node, source_);
        if (const auto *array = node.as_array())
            for (const toml::node &item : *array) value.items.push_back(text_of(item, source_));
        value.file = path_;
        value.line = static_cast<int>(node.source().begin.line);
        value.column = static_cast<int>(node.source().begin.column);
        value.key_column = static_cast<int>(key.source().begin.column);
    }

    const std::string &source_, &path_;
    RawSpec raw_;
};

/// The line where toml++ breaks an assertion: the end of the shortest beginning of the text that breaks it.
int line_of_assertion(std::string_view text) {
    std::vector<size_t> ends;
    for (size_t i = 0; i < text.size(); i++)
        if (text[i] == '\n') ends.push_back(i + 1);
    ends.push_back(text.size());
    const auto holds = [&](size_t end) {
        try {
            static_cast<void>(toml::parse(text.substr(0, end)));
        } catch (const toml::parse_error &) {
        } catch (const TomlAssertion &) {
            return false;
        }
        return true;
    };
    return static_cast<int>(std::partition_point(ends.begin(), ends.end(), holds) - ends.begin()) + 1;
}

}  // namespace

RawSpec read_spec_file(const std::string &path) {
    const std::string text = read_text(path);
    refuse_deep_tables(text, path);
    try {
        return Reader(text, path).read(toml::parse(text, path));
    } catch (const toml::parse_error &error) {
        fail_syntax(path, uncapitalised(std::string(error.description())), static_cast<int>(error.source().begin.line),
                    static_cast<int>(error.source().begin.column));
    } catch (const TomlAssertion &) {
        fail_syntax(path, "a table or key has no name that can be read", line_of_assertion(text), 1);
    }
}

void set_spec_flag(RawSpec &raw, const std::string &key, const std::string &text, const std::string &flag) {
    RawValue value;
    value.flag = flag;
    value.text = text;
    const SpecKey *known = find_spec_key(key);
    const KeyKind kind = known ? known->kind : KeyKind::word;
    if (kind == KeyKind::words) {
        value.type = RawValue::Type::array;
        for (size_t begin = 0; !text.empty() && begin <= text.size();) {
            const size_t end = std::min(text.find(',', begin), text.size());
            value.items.push_back(trimmed(std::string_view(text).substr(begin, end - begin)));
            begin = end + 1;
        }
    } else if ((kind == KeyKind::integer || kind == KeyKind::integer_or_word || kind == KeyKind::scale) && text.size() < 400 &&
               text.find_first_of("\r\n#") == std::string::npos) {
        try {
            const toml::table one = toml::parse("v = " + text);
            const toml::node &node = *one.get("v");
            if (node.is_integer() || node.is_floating_point()) value.type = type_of(node);
            if (node.is_integer()) value.text = text_of(node, "");
        } catch (const std::exception &) {  // of the parser, or one of its assertions
            // Not a number: stays a string, and validate_spec says what it should be.
        }
    }
    raw[key] = std::move(value);
}

}  // namespace attune

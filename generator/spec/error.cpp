#include "generator/spec/error.h"

#include <cctype>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

namespace attune {
namespace {

constexpr size_t longest_text = 300;  // of a field, in bytes: a line of a terminal or two

/// Bytes of the well-formed UTF-8 character at the front of `text`, or 0.
size_t utf8_length(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const size_t n = byte(0) < 0x80 ? 1 : byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : byte(0) < 0xf5 ? 4 : 0;
    if (n == 0 || n > text.size()) return 0;
    for (size_t i = 1; i < n; i++)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    if ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90)) return 0;   // longer than needed
    if ((byte(0) == 0xed && byte(1) >= 0xa0) || (byte(0) == 0xf4 && byte(1) >= 0x90)) return 0;  // surrogates, beyond U+10FFFF
    return n;
}

std::string printable(std::string_view text, size_t longest) {
    std::string out;
    while (!text.empty()) {
        if (out.size() > longest) return out + "…";
        const unsigned char first = static_cast<unsigned char>(text[0]);
        const size_t n = utf8_length(text);
        const bool control = first < 0x20 || first == 0x7f || (n == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
        if (first == '\n' || first == '\t' || first == '\r') {
            out += first == '\n' ? "\\n" : first == '\t' ? "\\t" : "\\r";
        } else if (n > 0 && !control) {
            out += text.substr(0, n);
        } else {
            for (size_t i = 0; i < (n > 0 ? n : 1); i++) {
                char escape[8];
                std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(text[i]));
                out += escape;
            }
        }
        text.remove_prefix(n > 0 ? n : 1);
    }
    return out;
}

ErrorDetails printable(ErrorDetails d) {
    for (std::string *text : {&d.argument, &d.value, &d.file, &d.problem}) *text = printable(*text, longest_text);
    for (std::string *text : {&d.expected, &d.cure}) *text = printable(*text, 4096);  // the generator's words: lists may be long
    return d;
}

std::string sentence(const ErrorDetails &d) {
    std::string out;
    if (!d.file.empty()) {
        out += d.file;
        if (d.line > 0) out.append(":").append(std::to_string(d.line));
        if (d.line > 0 && d.column > 0) out.append(":").append(std::to_string(d.column));
        out += ": ";
    } else if (!d.caret.empty()) {
        out += d.argument + ":" + std::to_string(d.column) + ": ";
    }
    if (!d.problem.empty())
        out += d.problem;
    else if (!d.argument.empty())
        out += d.argument + " is " + (d.value.empty() ? "missing" : d.value);
    else
        out += d.value;
    if (!d.expected.empty()) out += (out.empty() || out.ends_with(": ") ? "expected " : ", expected ") + d.expected;
    if (!d.cure.empty()) out += "; " + d.cure;
    return out;
}

}  // namespace

const char *error_code_name(ErrorCode code) {
    switch (code) {
    case ErrorCode::check_failed: return "check_failed";
    case ErrorCode::usage: return "usage";
    case ErrorCode::input: return "input";
    case ErrorCode::target: return "target";
    case ErrorCode::internal: return "internal";
    }
    return "internal";
}

std::string errno_text(int error) {
    std::string text = std::strerror(error);
    if (text.size() > 1 && text[1] >= 'a' && text[1] <= 'z') text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

Error::Error(ErrorDetails details) : std::runtime_error(sentence(printable(details))), details_(printable(std::move(details))) {}

Error internal_error(const std::string &step, const std::string &what) {
    ErrorDetails details;
    details.code = ErrorCode::internal;
    details.argument = step;
    details.problem = "internal error, " + step + ": " + what;
    details.cure = "please report this with the specification";
    return Error(details);
}

}  // namespace attune

#include "generator/spec/source.h"
#include "generator/spec/error.h"

#include <algorithm>

namespace attune {
namespace {

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

int characters(std::string_view text) {
    return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

/// Two lines: the line of `text` that holds `offset`, and a caret below it. Long lines are cut on both sides.
std::string caret_under(std::string_view text, size_t offset) {
    constexpr size_t before = 60, after = 40;  // characters: fits a terminal of 100
    const size_t newline = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
    size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    size_t end = std::min(text.find('\n', offset), text.size());
    if (offset - begin > before) begin = offset - before;
    if (end - offset > after) end = offset + after;

    std::string line;
    size_t caret = 0;
    for (size_t i = begin; i < end; i++) {
        if (i == offset) caret = line.size();
        const unsigned char c = static_cast<unsigned char>(text[i]);
        if (c >= 0x80 && continues_character(text[i])) continue;
        line += c < 0x20 || c == 0x7f ? ' '
                : c >= 0x80           ? '?'
                                      : static_cast<char>(c);  // one column each, whatever the terminal makes of them
    }
    if (offset >= end) caret = line.size();
    return line + "\n" + std::string(caret, ' ') + "^";
}

}  // namespace

int Source::column(size_t offset) const { return 1 + characters(text_.substr(0, std::min(offset, text_.size()))); }

void Source::fail(size_t offset, size_t length, const std::string &problem, const std::string &expected, const std::string &cure) const {
    offset = std::min(offset, text_.size());
    const std::string_view before = text_.substr(0, offset);
    const size_t newline = before.rfind('\n');
    const bool first_line = newline == std::string_view::npos || context_.line == 0;  // a flag is one line to the eye
    const int lines = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
    const int first_column = first_line ? std::max(context_.column, 1) : 1;
    const std::string_view found = text_.substr(offset, length);
    throw Error({.code = ErrorCode::usage,
                 .argument = context_.argument,
                 .value = found.empty() ? "the end" : std::string(found),
                 .expected = expected,
                 .cure = cure,
                 .file = context_.file,
                 .line = context_.line > 0 ? context_.line + lines : 0,
                 .column = first_column + characters(first_line ? before : before.substr(newline + 1)),
                 .problem = context_.file.empty() ? problem : context_.argument + ": " + problem,  // else Error names it
                 .caret = caret_under(text_, offset)});
}

}  // namespace attune

#include "generator/cli/picture/drawing.h"

#include "generator/cli/text_file.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <cmath>

namespace attune::cli {

std::string Colour::text() const {
    return fmt::format("#{:02x}{:02x}{:02x}", red, green, blue);
}

Colour blend(Colour from, Colour to, double share) {
    const auto mix = [share](uint8_t a, uint8_t b) { return static_cast<uint8_t>(std::lround(a + share * (b - a))); };
    return {mix(from.red, to.red), mix(from.green, to.green), mix(from.blue, to.blue)};
}

std::vector<uint32_t> code_points(const std::string &text) {
    std::vector<uint32_t> out;
    for (size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i++]);
        const int more = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : -1;
        uint32_t point = more <= 0 ? first : first & (0x3F >> more);
        int read = 0;
        for (; read < more && i < text.size() && (text[i] & 0xC0) == 0x80; read++)
            point = point << 6 | (text[i++] & 0x3F);
        const bool is_character = read == more && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF) && (point & 0xFFFE) != 0xFFFE;
        out.push_back(is_character ? point : 0xFFFD);
    }
    return out;
}

double text_width(const std::string &text, double size) {
    double em = 0;
    for (const uint32_t point : code_points(text))
        em += point < 0x300 ? 0.56 : 1;  // letters of a sans-serif font; beyond the alphabets of Europe most are as wide as high
    return em * size;
}

namespace {

bool ends_in(const std::string &path, const char *ending) {
    return path.ends_with(ending);
}

}  // namespace

void check_picture_path(const std::string &flag, const std::string &path) {
    if (!ends_in(path, ".svg") && !ends_in(path, ".png"))
        throw Error(
            {.argument = flag, .value = path, .expected = "a name that ends in .svg or .png", .cure = "the ending chooses the format"});
    check_output_path(flag, path);
}

void write_picture(const std::string &path, const Drawing &drawing) {
    write_text_file(path, ends_in(path, ".png") ? png_bytes(drawing) : svg_text(drawing));
}

}  // namespace attune::cli

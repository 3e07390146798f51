#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace attune::cli {

struct Colour {
    uint8_t red = 0, green = 0, blue = 0;
    bool operator==(const Colour &) const = default;
    std::string text() const;  ///< "#1f5f99"
};
constexpr Colour white{255, 255, 255}, ink{34, 34, 34}, frame{68, 68, 68}, pale{238, 241, 244};
/// A share of the way from one to the other.
Colour blend(Colour from, Colour to, double share);

struct Rectangle {
    double x, y, width, height;
    Colour colour;
    bool filled = true;  ///< else its outline, 1 wide
};
struct Polyline {
    std::vector<std::pair<double, double>> points;
    Colour colour;
    double width = 1;
    bool dashed = false;
};
struct Dot {
    double x, y, radius;
    Colour colour;
};
enum class Anchor { start, middle, end };
/// UTF-8; y is the base line. upward: turned by 90 degrees to be read from below, x is then the base line.
struct Text {
    double x, y;
    std::string text;
    Anchor anchor = Anchor::start;
    bool upward = false;
    double size = 12;
    Colour colour = ink;
};
/// A rectangle of equal cells, each of a colour of the palette.
struct Cells {
    double x, y, width, height;
    size_t columns = 0;
    std::vector<uint8_t> colours;  ///< row by row, indices of palette
    std::vector<Colour> palette;
    size_t rows() const { return columns ? colours.size() / columns : 0; }
};

/// What a picture shows, in units of a pixel of the SVG, the origin on top left; later items lie above earlier ones.
struct Drawing {
    std::string title;  ///< told by screen readers
    double width = 0, height = 0;
    std::vector<std::variant<Rectangle, Polyline, Dot, Text, Cells>> items;
};

/// About what a text takes, for layout: fonts of the viewer differ.
double text_width(const std::string &text, double size = 12);
/// The characters of UTF-8 as code points; a byte that is none becomes U+FFFD.
std::vector<uint32_t> code_points(const std::string &text);

std::string svg_text(const Drawing &drawing);
/// A PNG file. Two pixels a unit, so that text stays sharp; letters are of a small stroke font that knows ASCII, others show as a box.
std::string png_bytes(const Drawing &drawing);

/// Refuses a path that ends neither in .svg nor in .png, or cannot be written. Throws Error.
void check_picture_path(const std::string &flag, const std::string &path);
/// As the path's ending says; the file appears only when complete. Throws Error(input).
void write_picture(const std::string &path, const Drawing &drawing);

}  // namespace attune::cli

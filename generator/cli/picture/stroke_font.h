#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace attune::cli {

/// A letter as lines of points (x, y): x from 0 to width, y downwards from 0, the top of capitals; the base line is 6, small letters begin
/// at 2, descenders end at 8.
struct Glyph {
    std::vector<std::vector<std::pair<int, int>>> strokes;
    int width = 0;
};
/// Of a code point; a box for what the font does not know (it knows ASCII and a few signs).
Glyph stroke_glyph(uint32_t code_point);

/// Units of size 1: a glyph's coordinates times these; the space between two glyphs.
constexpr double glyph_x = 0.098, glyph_y = 0.122, glyph_gap = 0.18;

}  // namespace attune::cli

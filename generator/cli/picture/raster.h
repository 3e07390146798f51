#pragma once
#include "generator/cli/picture/drawing.h"

#include <cstdint>
#include <vector>

namespace attune::cli {

/// Pixels in rows from the top, three bytes each.
struct Image {
    int width = 0, height = 0;
    std::vector<uint8_t> rgb;
    Colour at(int x, int y) const;
};
/// `scale` pixels a unit.
Image rasterise(const Drawing &drawing, int scale);
/// A PNG file: 8 bits a channel, compressed by runs alone, which is what flat colours need.
std::string encode_png(const Image &image);

}  // namespace attune::cli

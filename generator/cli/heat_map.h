#pragma once
#include "generator/cli/picture/drawing.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attune::cli {

/// One matrix of weights, rows downwards.
struct WeightsMatrix {
    std::string name;  ///< "head 3"
    int64_t rows = 0, keys = 0;
    const float *weights = nullptr;  ///< row by row
};

/// What the axes say: a label for each row and key of the matrices, or numbers from first on where there are none.
struct AxisLabels {
    std::vector<std::string> labels;
    int64_t first = 0;
};
struct HeatMapLabels {
    std::string title;
    std::vector<std::string> notes;  ///< lines below
    AxisLabels rows, keys;
    double largest = 0;  ///< the end of the colour scale; 0: the largest weight of all
};

/// Panels side by side, of one size and one colour scale, which stands on the right. Weights of exactly 0 have a colour of their own: what
/// a mask hides differs from what is merely small. A cell shows the largest of its weights where there are more than the picture has room
/// for.
Drawing draw_heat_map(const std::vector<WeightsMatrix> &panels, const HeatMapLabels &labels);

}  // namespace attune::cli

#include "generator/cli/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attune::cli {
namespace {

constexpr int64_t most_cells = 256;                    // each way, of a panel
constexpr double most_size = 640;                      // of a panel, or of all panels side by side
constexpr double largest_cell = 36, least_label = 11;  // a label needs the height of its letters
constexpr int shades = 64;
constexpr uint8_t hidden = shades;  // index of the colour of 0
constexpr Colour hidden_colour{228, 230, 234};
constexpr size_t longest_label = 18;

/// Each darker than the one before, so that it prints in grey too. Small weights, which are most of a long row, take more of the colours
/// than large ones: at 0.65 a weight of a tenth has a fifth of them.
std::vector<Colour> palette() {
    const Colour stops[] = {white, {205, 225, 243}, {143, 184, 222}, {63, 134, 192}, {31, 95, 153}, {8, 40, 74}};
    std::vector<Colour> colours;
    for (int i = 0; i < shades; i++) {
        const double at = std::pow(double(i) / (shades - 1), 0.65) * (std::size(stops) - 1);
        const auto stop = std::min<size_t>(size_t(at), std::size(stops) - 2);
        colours.push_back(blend(stops[stop], stops[stop + 1], at - double(stop)));
    }
    colours.push_back(hidden_colour);
    return colours;
}

/// The longest labels are cut, so that the picture stays a picture.
std::string shortened(const std::string &label) {
    const auto is_start = [](unsigned char c) { return (c & 0xC0) != 0x80; };
    size_t count = 0;
    for (size_t i = 0; i < label.size(); i++)
        if (is_start(label[i]) && count++ == longest_label - 1 && code_points(label).size() > longest_label)
            return label.substr(0, i) + "…";
    return label;
}

/// 1, 2 or 5 times a power of ten.
double nice_step(double least) {
    const double power = std::pow(10, std::floor(std::log10(least)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (factor * power >= least * 0.999999)
            return factor * power;
    return 10 * power;
}

/// Cells of one axis: how many, and how many rows or keys each stands for.
struct Axis {
    int64_t count, per_cell, cells;
    Axis(int64_t count)
        : count(count), per_cell((count + most_cells - 1) / most_cells), cells(per_cell ? (count + per_cell - 1) / per_cell : 0) {}
};

/// The labels that there is room for: position along the axis in cells, and text.
std::vector<std::pair<double, std::string>> ticks(const AxisLabels &labels, const Axis &axis, double cell) {
    std::vector<std::pair<double, std::string>> out;
    const double room = least_label / cell * double(axis.per_cell);  // in rows or keys
    const auto step = labels.labels.empty() ? std::max<int64_t>(1, int64_t(nice_step(std::max(room * 1.6, 1.0))))
                                            : std::max<int64_t>(1, int64_t(std::ceil(room)));
    const int64_t begin = labels.labels.empty() ? (labels.first + step - 1) / step * step - labels.first : 0;
    for (int64_t i = begin; i < axis.count; i += step)
        out.emplace_back((double(i) + 0.5) / double(axis.per_cell),
                         labels.labels.empty() ? fmt::to_string(labels.first + i) : shortened(labels.labels[i]));
    return out;
}

double widest(const std::vector<std::pair<double, std::string>> &ticks) {
    double width = 0;
    for (const auto &[at, text] : ticks)
        width = std::max(width, text_width(text, 11));
    return width;
}

Cells cells_of(const WeightsMatrix &panel, const Axis &rows, const Axis &keys, double largest) {
    Cells cells;
    cells.columns = size_t(keys.cells);
    cells.palette = palette();
    for (int64_t r = 0; r < rows.cells; r++)
        for (int64_t c = 0; c < keys.cells; c++) {
            float most = 0;
            for (int64_t q = r * rows.per_cell; q < std::min((r + 1) * rows.per_cell, rows.count); q++)
                for (int64_t kv = c * keys.per_cell; kv < std::min((c + 1) * keys.per_cell, keys.count); kv++)
                    most = std::max(most, panel.weights[q * panel.keys + kv]);
            cells.colours.push_back(most == 0 ? hidden : uint8_t(std::lround(std::min(most / largest, 1.0) * (shades - 1))));
        }
    return cells;
}

/// The scale, from 0 below to the largest above.
void draw_colour_bar(Drawing &drawing, double x, double y, double height, double largest, bool has_hidden) {
    constexpr double width = 14;
    Cells bar;
    bar.x = x, bar.y = y, bar.width = width, bar.height = height;
    bar.columns = 1;
    bar.palette = palette();
    for (int i = shades - 1; i >= 0; i--)
        bar.colours.push_back(uint8_t(i));
    drawing.items.emplace_back(bar);
    drawing.items.emplace_back(Rectangle{x, y, width, height, frame, false});
    const double step = nice_step(largest / 5);
    for (double value = 0; value <= largest * 1.000001; value += step) {
        const double at = y + height * (1 - value / largest);
        drawing.items.emplace_back(Polyline{{{x + width, at}, {x + width + 4, at}}, frame});
        drawing.items.emplace_back(Text{x + width + 7, at + 4, fmt::format("{:.3g}", value), Anchor::start, false, 11});
    }
    drawing.items.emplace_back(Text{x, y - 8, "weight", Anchor::start, false, 11});
    if (!has_hidden)
        return;
    drawing.items.emplace_back(Rectangle{x, y + height + 14, width, 12, hidden_colour});
    drawing.items.emplace_back(Rectangle{x, y + height + 14, width, 12, frame, false});
    drawing.items.emplace_back(Text{x + width + 7, y + height + 24, "0 (hidden)", Anchor::start, false, 11});
}

}  // namespace

Drawing draw_heat_map(const std::vector<WeightsMatrix> &panels, const HeatMapLabels &labels) {
    Drawing drawing;
    drawing.title = labels.title;
    const Axis rows(panels[0].rows), keys(panels[0].keys);
    double largest = labels.largest;
    if (largest == 0)
        for (const WeightsMatrix &panel : panels)
            largest = std::max<double>(largest, *std::max_element(panel.weights, panel.weights + panel.rows * panel.keys));
    if (largest == 0)
        largest = 1;

    const auto columns = int64_t(std::ceil(std::sqrt(double(panels.size())))), lines = (int64_t(panels.size()) + columns - 1) / columns;
    const double cell = std::min(most_size / double(columns) / double(std::max(rows.cells, keys.cells)), largest_cell);
    const double width = cell * double(keys.cells), height = cell * double(rows.cells);
    const auto row_ticks = ticks(labels.rows, rows, cell), key_ticks = ticks(labels.keys, keys, cell);
    const double left = widest(row_ticks) + 30, above = widest(key_ticks) + 12, name = panels.size() > 1 ? 18 : 0;
    const double pitch_x = left + width + 8, pitch_y = above + height + name + 18, top = 52;

    drawing.items.emplace_back(Text{12, 22, labels.title, Anchor::start, false, 14});
    bool has_hidden = false;
    for (size_t i = 0; i < panels.size(); i++) {
        const double x = left + pitch_x * double(int64_t(i) % columns), y = top + name + above + pitch_y * double(int64_t(i) / columns);
        if (panels.size() > 1)
            drawing.items.emplace_back(Text{x, y - above - 6, panels[i].name, Anchor::start, false, 12});
        Cells cells = cells_of(panels[i], rows, keys, largest);
        has_hidden |= std::find(cells.colours.begin(), cells.colours.end(), hidden) != cells.colours.end();
        cells.x = x, cells.y = y, cells.width = width, cells.height = height;
        drawing.items.emplace_back(std::move(cells));
        drawing.items.emplace_back(Rectangle{x, y, width, height, frame, false});
        for (const auto &[at, text] : key_ticks)
            drawing.items.emplace_back(Text{x + at * cell + 4, y - 6, text, Anchor::start, true, 11});
        for (const auto &[at, text] : row_ticks)
            drawing.items.emplace_back(Text{x - 6, y + at * cell + 4, text, Anchor::end, false, 11});
        if (i == 0) {
            drawing.items.emplace_back(Text{x + width, y - above - 6, "keys →", Anchor::end, false, 11, frame});
            drawing.items.emplace_back(Text{14, y + height, "← queries", Anchor::start, true, 11, frame});
        }
    }
    const double bar_x = left + pitch_x * double(columns - 1) + width + 28, bar_y = top + name + above;
    draw_colour_bar(drawing, bar_x, bar_y, std::clamp(height, 90.0, 240.0), largest, has_hidden);
    double y = std::max(top + pitch_y * double(lines), bar_y + std::clamp(height, 90.0, 240.0) + 34) + 8;
    drawing.width = bar_x + 110;
    for (const std::string &note : labels.notes) {
        drawing.items.emplace_back(Text{12, y, note, Anchor::start, false, 11, frame});
        drawing.width = std::max(drawing.width, 24 + text_width(note, 11));
        y += 16;
    }
    drawing.width = std::ceil(std::max(drawing.width, 24 + text_width(labels.title, 14)));
    drawing.height = std::ceil(y);
    return drawing;
}

}  // namespace attune::cli

#include "generator/cli/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace attune::cli {
namespace {

constexpr double panel_width = 360, panel_height = 300, left = 70, top = 62, gap = 100;
constexpr Colour grid{232, 234, 238};
// Apart in brightness as well as in hue, for print and for eyes that tell few hues.
constexpr Colour line_colours[] = {{8, 40, 74}, {125, 128, 138}, {217, 95, 2}, {27, 158, 119}, {140, 86, 170}, {190, 150, 20}};
constexpr Colour matrix_colour{180, 40, 40};

struct Curve {
    std::string name;
    Colour colour;
    bool dashed = false;
    std::vector<std::pair<double, double>> points;  ///< length, value
    std::vector<std::pair<double, double>> dots;
};

std::string length_text(double length) {
    return length >= 1024 ? fmt::format("{:g}k", length / 1024) : fmt::format("{:g}", length);
}

/// Both axes logarithmic. tick: the text of a value.
void draw_panel(Drawing &drawing, double x, const std::string &title, const std::vector<Curve> &curves, double base,
                const std::function<std::string(double)> &tick) {
    double low = 1e300, high = 0, first = 1e300, last = 0;
    for (const Curve &curve : curves)
        for (const auto *points : {&curve.points, &curve.dots})
            for (const auto &[length, value] : *points) {
                first = std::min(first, length), last = std::max(last, length);
                if (value > 0)
                    low = std::min(low, value), high = std::max(high, value);
            }
    const double bottom_power = std::floor(std::log(low) / std::log(base) + 1e-9),
                 top_power = std::ceil(std::log(high) / std::log(base) - 1e-9);
    const auto at_x = [&](double length) { return x + panel_width * std::log(length / first) / std::max(std::log(last / first), 1e-9); };
    const auto at_y = [&](double value) {
        return top + panel_height * (1 - (std::log(value) / std::log(base) - bottom_power) / std::max(top_power - bottom_power, 1.0));
    };
    drawing.items.emplace_back(Text{x, top - 12, title, Anchor::start, false, 12});
    for (double power = bottom_power; power <= top_power + 0.5; power++) {
        const double y = at_y(std::pow(base, power));
        drawing.items.emplace_back(Polyline{{{x, y}, {x + panel_width, y}}, grid});
        drawing.items.emplace_back(Text{x - 6, y + 4, tick(std::pow(base, power)), Anchor::end, false, 11});
    }
    for (double length = first; length <= last * 1.01; length *= 2) {
        drawing.items.emplace_back(Polyline{{{at_x(length), top}, {at_x(length), top + panel_height}}, grid});
        drawing.items.emplace_back(Text{at_x(length), top + panel_height + 16, length_text(length), Anchor::middle, false, 11});
    }
    drawing.items.emplace_back(Rectangle{x, top, panel_width, panel_height, frame, false});
    drawing.items.emplace_back(Text{x + panel_width / 2, top + panel_height + 34, "S, queries and keys", Anchor::middle, false, 11, frame});

    double legend_y = top + panel_height + 56;
    for (const Curve &curve : curves) {
        Polyline line{{}, curve.colour, 2, curve.dashed};
        for (const auto &[length, value] : curve.points)
            if (value > 0)
                line.points.emplace_back(at_x(length), at_y(value));
        drawing.items.emplace_back(line);
        for (const auto &[length, value] : curve.dots)
            drawing.items.emplace_back(Dot{at_x(length), at_y(value), 3.5, curve.colour});
        drawing.items.emplace_back(Polyline{{{x, legend_y - 4}, {x + 24, legend_y - 4}}, curve.colour, 2, curve.dashed});
        if (!curve.dots.empty())
            drawing.items.emplace_back(Dot{x + 12, legend_y - 4, 3.5, curve.colour});
        drawing.items.emplace_back(Text{x + 32, legend_y, curve.name, Anchor::start, false, 11});
        legend_y += 16;
    }
    drawing.height = std::max(drawing.height, std::ceil(legend_y + 6));
}

}  // namespace

Drawing draw_scaling(const Scaling &scaling, const std::string &title) {
    Drawing drawing;
    drawing.title = title;
    drawing.width = std::max(left + 2 * panel_width + gap + 24, 24 + text_width(title, 14));
    drawing.items.emplace_back(Text{12, 22, title, Anchor::start, false, 14});

    std::vector<Curve> times, bytes;
    for (size_t i = 0; i < scaling.variants.size(); i++) {
        const ScalingVariant &variant = scaling.variants[i];
        const std::string mask = variant.spec.mask_text();
        const bool says_all = variant.name == mask || variant.name == normalizer_name(variant.spec.normalizer);
        Curve curve{fmt::format("{}{}, grows by S^{:.2f} at the end", variant.name, says_all ? "" : ": mask " + mask,
                                variant.points.back().exponent),
                    line_colours[i % std::size(line_colours)],
                    false,
                    {},
                    {}};
        for (const ScalingPoint &p : variant.points) {
            curve.points.emplace_back(double(p.shape.seq_len_kv), p.predicted_ms);
            if (p.measured_ms)
                curve.dots.emplace_back(double(p.shape.seq_len_kv), *p.measured_ms);
        }
        times.push_back(std::move(curve));
    }
    const auto add = [&](const char *name, Colour colour, bool dashed, const std::function<double(const ScalingPoint &)> &value) {
        Curve curve{name, colour, dashed, {}, {}};
        for (const ScalingPoint &p : scaling.variants[0].points)
            curve.points.emplace_back(double(p.shape.seq_len_kv), value(p));
        bytes.push_back(std::move(curve));
    };
    add("one f32 matrix of all scores, which is never made", matrix_colour, true, [](const ScalingPoint &p) { return p.score_bytes; });
    add("query, key, value, output and lse", line_colours[0], false, [](const ScalingPoint &p) { return p.tensor_bytes; });
    if (scaling.variants[0].points[0].workspace_bytes)
        add("workspace of a call", line_colours[3], false, [](const ScalingPoint &p) { return *p.workspace_bytes; });

    const bool has_dots = std::any_of(times.begin(), times.end(), [](const Curve &curve) { return !curve.dots.empty(); });
    draw_panel(
        drawing, left,
        fmt::format("time of a call on {} thread{}, {}: lines predicted{}", scaling.threads, scaling.threads == 1 ? "" : "s",
                    scaling.target, has_dots ? ", dots measured" : ""),
        times, 10, [](double ms) {
            return ms < 1 ? fmt::format("{:g} µs", ms * 1e3) : ms < 1000 ? fmt::format("{:g} ms", ms) : fmt::format("{:g} s", ms / 1e3);
        });
    draw_panel(drawing, left + panel_width + gap, "memory", bytes, 16, human_bytes);
    return drawing;
}

}  // namespace attune::cli

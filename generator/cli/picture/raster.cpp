#include "generator/cli/picture/raster.h"

#include "generator/cli/picture/stroke_font.h"

#include <algorithm>
#include <cmath>

namespace attune::cli {
namespace {

using Point = std::pair<double, double>;

double distance(const Point &p, const Point &a, const Point &b) {
    const double dx = b.first - a.first, dy = b.second - a.second, length = dx * dx + dy * dy;
    const double along = length > 0 ? std::clamp(((p.first - a.first) * dx + (p.second - a.second) * dy) / length, 0.0, 1.0) : 0;
    return std::hypot(p.first - a.first - along * dx, p.second - a.second - along * dy);
}

class Canvas {
public:
    Canvas(double width, double height, int scale) : scale_(scale) {
        image.width = static_cast<int>(std::ceil(width * scale));
        image.height = static_cast<int>(std::ceil(height * scale));
        image.rgb.assign(size_t(image.width) * image.height * 3, 255);
    }
    Image image;

    void draw(const Rectangle &r) {
        if (r.filled)
            fill(r.x, r.y, r.width, r.height, r.colour);
        else
            draw(
                Polyline{{{r.x, r.y}, {r.x + r.width, r.y}, {r.x + r.width, r.y + r.height}, {r.x, r.y + r.height}, {r.x, r.y}}, r.colour});
    }
    void draw(const Polyline &line) { strokes({line.dashed ? dashes(line.points) : pieces(line.points)}, line.width, line.colour); }
    void draw(const Dot &dot) { strokes({{{{dot.x, dot.y}, {dot.x, dot.y}}}}, 2 * dot.radius, dot.colour); }
    void draw(const Cells &cells) {
        // By pixels, so that neighbours neither overlap nor leave a gap.
        const int left = pixel(cells.x), right = pixel(cells.x + cells.width), top = pixel(cells.y), bottom = pixel(cells.y + cells.height);
        for (int y = top; y < bottom; y++)
            for (int x = left; x < right; x++) {
                const size_t row = size_t(y - top) * cells.rows() / (bottom - top),
                             column = size_t(x - left) * cells.columns / (right - left);
                put(x, y, cells.palette[cells.colours[row * cells.columns + column]], 1);
            }
    }
    void draw(const Text &text) {
        std::vector<Glyph> glyphs;
        double width = 0;
        for (const uint32_t point : code_points(text.text)) {
            glyphs.push_back(stroke_glyph(point));
            width += glyphs.back().width * glyph_x + glyph_gap;
        }
        width = std::max(width - glyph_gap, 0.0) * text.size;
        double at = text.anchor == Anchor::start ? 0 : text.anchor == Anchor::middle ? -width / 2 : -width;
        std::vector<std::pair<Point, Point>> lines;
        for (const Glyph &glyph : glyphs) {
            const auto place = [&](const std::pair<int, int> &p) -> Point {
                const double x = at + p.first * glyph_x * text.size, y = (p.second - 6) * glyph_y * text.size;
                return text.upward ? Point{text.x + y, text.y - x} : Point{text.x + x, text.y + y};
            };
            for (const auto &stroke : glyph.strokes)
                for (size_t i = 1; i < stroke.size(); i++)
                    lines.emplace_back(place(stroke[i - 1]), place(stroke[i]));
            at += (glyph.width * glyph_x + glyph_gap) * text.size;
        }
        strokes(lines, 0.1 * text.size, text.colour);
    }

private:
    int pixel(double x) const { return static_cast<int>(std::lround(x * scale_)); }

    void put(int x, int y, Colour colour, double share) {
        if (x < 0 || y < 0 || x >= image.width || y >= image.height || share <= 0)
            return;
        uint8_t *at = &image.rgb[(size_t(y) * image.width + x) * 3];
        const Colour mixed = blend({at[0], at[1], at[2]}, colour, std::min(share, 1.0));
        at[0] = mixed.red, at[1] = mixed.green, at[2] = mixed.blue;
    }
    void fill(double left, double top, double width, double height, Colour colour) {
        for (int y = pixel(top); y < pixel(top + height); y++)
            for (int x = pixel(left); x < pixel(left + width); x++)
                put(x, y, colour, 1);
    }

    static std::vector<std::pair<Point, Point>> pieces(const std::vector<Point> &points) {
        std::vector<std::pair<Point, Point>> out;
        for (size_t i = 1; i < points.size(); i++)
            out.emplace_back(points[i - 1], points[i]);
        return out;
    }
    /// 5 drawn, 4 left out, as the SVG says.
    static std::vector<std::pair<Point, Point>> dashes(const std::vector<Point> &points) {
        constexpr double drawn = 5, period = 9;
        std::vector<std::pair<Point, Point>> out;
        double walked = 0;  // along the whole line
        for (const auto &[a, b] : pieces(points)) {
            const double length = std::hypot(b.first - a.first, b.second - a.second);
            const auto at = [&, a = a, b = b](double s) -> Point {
                return {a.first + (b.first - a.first) * s / length, a.second + (b.second - a.second) * s / length};
            };
            for (double dash = std::floor(walked / period) * period; dash < walked + length; dash += period) {
                const double begin = std::max(dash - walked, 0.0), end = std::min(dash + drawn - walked, length);
                if (begin < end)
                    out.emplace_back(at(begin), at(end));
            }
            walked += length;
        }
        return out;
    }

    /// All lines as one shape: where two meet, no pixel is painted twice.
    void strokes(const std::vector<std::pair<Point, Point>> &lines, double width, Colour colour) {
        if (lines.empty())
            return;
        const double half = std::max(width * scale_ / 2, 0.5);
        double box[4] = {1e9, 1e9, -1e9, -1e9};
        for (const auto &[a, b] : lines)
            for (const Point &p : {a, b}) {
                box[0] = std::min(box[0], p.first * scale_), box[1] = std::min(box[1], p.second * scale_);
                box[2] = std::max(box[2], p.first * scale_), box[3] = std::max(box[3], p.second * scale_);
            }
        const int left = std::max(int(box[0] - half) - 1, 0), top = std::max(int(box[1] - half) - 1, 0);
        const int right = std::min(int(box[2] + half) + 2, image.width), bottom = std::min(int(box[3] + half) + 2, image.height);
        if (left >= right || top >= bottom)
            return;
        std::vector<float> covered(size_t(right - left) * (bottom - top), 0);
        for (const auto &[a, b] : lines) {
            const Point from{a.first * scale_, a.second * scale_}, to{b.first * scale_, b.second * scale_};
            const int x0 = std::max(int(std::min(from.first, to.first) - half) - 1, left),
                      x1 = std::min(int(std::max(from.first, to.first) + half) + 2, right);
            const int y0 = std::max(int(std::min(from.second, to.second) - half) - 1, top),
                      y1 = std::min(int(std::max(from.second, to.second) + half) + 2, bottom);
            for (int y = y0; y < y1; y++)
                for (int x = x0; x < x1; x++) {
                    float &share = covered[size_t(y - top) * (right - left) + (x - left)];
                    share = std::max(share, float(half + 0.5 - distance({x + 0.5, y + 0.5}, from, to)));
                }
        }
        for (int y = top; y < bottom; y++)
            for (int x = left; x < right; x++)
                put(x, y, colour, covered[size_t(y - top) * (right - left) + (x - left)]);
    }

    int scale_;
};

}  // namespace

Colour Image::at(int x, int y) const {
    const uint8_t *p = &rgb[(size_t(y) * width + x) * 3];
    return {p[0], p[1], p[2]};
}

Image rasterise(const Drawing &drawing, int scale) {
    Canvas canvas(drawing.width, drawing.height, scale);
    for (const auto &item : drawing.items)
        std::visit([&](const auto &shape) { canvas.draw(shape); }, item);
    return std::move(canvas.image);
}

std::string png_bytes(const Drawing &drawing) {
    return encode_png(rasterise(drawing, 2));
}

}  // namespace attune::cli

#include "generator/cli/picture/drawing.h"

#include <fmt/format.h>

namespace attune::cli {
namespace {

std::string utf8(uint32_t point) {
    if (point < 0x80)
        return {char(point)};
    if (point < 0x800)
        return {char(0xC0 | point >> 6), char(0x80 | (point & 63))};
    if (point < 0x10000)
        return {char(0xE0 | point >> 12), char(0x80 | (point >> 6 & 63)), char(0x80 | (point & 63))};
    return {char(0xF0 | point >> 18), char(0x80 | (point >> 12 & 63)), char(0x80 | (point >> 6 & 63)), char(0x80 | (point & 63))};
}

/// Any bytes as text of XML, which has no control characters.
std::string escape_xml(const std::string &text) {
    std::string out;
    for (const uint32_t point : code_points(text)) {
        if (point == '&')
            out += "&amp;";
        else if (point == '<')
            out += "&lt;";
        else if (point == '>')
            out += "&gt;";
        else
            out += point < ' ' ? " " : utf8(point);
    }
    return out;
}

/// At most two decimals, none where there are none.
std::string number(double x) {
    std::string text = fmt::format("{:.2f}", x);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.'))
        text.pop_back();
    return text == "-0" ? "0" : text;
}

std::string element(const Rectangle &r) {
    const std::string paint =
        r.filled ? fmt::format("fill=\"{}\"", r.colour.text()) : fmt::format("fill=\"none\" stroke=\"{}\"", r.colour.text());
    return fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {}/>", number(r.x), number(r.y), number(r.width),
                       number(r.height), paint);
}

std::string element(const Polyline &line) {
    std::string points;
    for (const auto &[x, y] : line.points)
        points += fmt::format("{}{},{}", points.empty() ? "" : " ", number(x), number(y));
    return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{}/>", points, line.colour.text(),
                       number(line.width), line.dashed ? " stroke-dasharray=\"5 4\"" : "");
}

std::string element(const Dot &dot) {
    return fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>", number(dot.x), number(dot.y), number(dot.radius),
                       dot.colour.text());
}

std::string element(const Text &t) {
    std::string out = t.upward ? fmt::format("<text transform=\"translate({} {}) rotate(-90)\"", number(t.x), number(t.y))
                               : fmt::format("<text x=\"{}\" y=\"{}\"", number(t.x), number(t.y));
    if (t.anchor != Anchor::start)
        out += t.anchor == Anchor::middle ? " text-anchor=\"middle\"" : " text-anchor=\"end\"";
    if (t.size != 12)
        out += fmt::format(" font-size=\"{}\"", number(t.size));
    if (t.colour != ink)
        out += fmt::format(" fill=\"{}\"", t.colour.text());
    return out + ">" + escape_xml(t.text) + "</text>";
}

/// A path of each colour that is there, one piece for each run of equal cells, in units of a cell.
std::string element(const Cells &cells) {
    std::vector<std::string> path(cells.palette.size());
    for (size_t r = 0; r < cells.rows(); r++)
        for (size_t begin = 0; begin < cells.columns;) {
            const uint8_t colour = cells.colours[r * cells.columns + begin];
            size_t end = begin;
            while (end < cells.columns && cells.colours[r * cells.columns + end] == colour)
                end++;
            path[colour] += fmt::format("M{0} {1}h{2}v1h-{2}z", begin, r, end - begin);
            begin = end;
        }
    std::string out =
        fmt::format("<g transform=\"translate({} {}) scale({:.6g} {:.6g})\" shape-rendering=\"crispEdges\">\n", number(cells.x),
                    number(cells.y), cells.width / static_cast<double>(cells.columns), cells.height / static_cast<double>(cells.rows()));
    for (size_t i = 0; i < path.size(); i++)
        if (!path[i].empty())
            out += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", cells.palette[i].text(), path[i]);
    return out + "</g>";
}

}  // namespace

std::string svg_text(const Drawing &drawing) {
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<title>{2}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        drawing.width, drawing.height, escape_xml(drawing.title));
    for (const auto &item : drawing.items)
        svg += std::visit([](const auto &shape) { return element(shape); }, item) + "\n";
    return svg + "</svg>\n";
}

}  // namespace attune::cli

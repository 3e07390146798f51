#include "generator/cli/mask_picture.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::cli {
namespace {

std::string escape_xml(const std::string &text) {
    std::string out;
    for (char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out += c;
    }
    return out;
}

std::string cell_text(const BlockMap &map) {
    const std::string blocks = map.blocks_a_cell_q == 1 && map.blocks_a_cell_kv == 1
                                   ? "a block"
                                   : fmt::format("{} x {} blocks", map.blocks_a_cell_q, map.blocks_a_cell_kv);
    return fmt::format("{} queries x {} keys ({})", map.block_q * map.blocks_a_cell_q, map.block_kv * map.blocks_a_cell_kv, blocks);
}

/// "12.5 %"; small shares keep two digits.
std::string percent(double share) {
    return share >= 0.1 || share == 0 ? fmt::format("{:.1f} %", 100 * share) : fmt::format("{:.2g} %", 100 * share);
}

}  // namespace

std::vector<std::string> picture_rows(const BlockMap &map) {
    std::vector<std::string> rows;
    for (const auto &row : map.cells) {
        auto &text = rows.emplace_back();
        for (BlockKind kind : row)
            text += kind == BlockKind::full ? "█" : kind == BlockKind::partial ? "▒" : "·";
    }
    return rows;
}

std::vector<std::string> picture_facts(const BlockMap &map) {
    return {fmt::format("density {}: {} of {} pairs are visible", percent(map.density()), map.visible_pairs,
                        map.pairs.seq_len_q * map.pairs.seq_len_kv),
            fmt::format("useful share of the work {}: {} pairs are computed", percent(map.useful_share()), map.computed_pairs),
            fmt::format("blocks visited / blocks with a visible pair: {} / {} = {:.3f}", map.visited(), map.needed, map.tightness())};
}

std::string picture_text(const BlockMap &map) {
    std::string text = map.cells.empty() ? "mask: no query or no key\n"
                                         : fmt::format("mask: queries 0 … {} downwards, keys 0 … {} to the right; a character is {}\n",
                                                       map.pairs.seq_len_q - 1, map.pairs.seq_len_kv - 1, cell_text(map));
    for (const auto &row : picture_rows(map))
        text += "  " + row + "\n";
    text += fmt::format("█ full {}   ▒ partial {}   · skipped {}   (blocks of {} x {})\n", map.full, map.partial, map.skipped, map.block_q,
                        map.block_kv);
    for (const auto &fact : picture_facts(map))
        text += fact + "\n";
    return text;
}

std::string picture_svg(const BlockMap &map, const std::string &title) {
    const size_t rows = map.cells.size(), columns = rows ? map.cells[0].size() : 0;
    const double size = 640.0 / static_cast<double>(std::max<size_t>({rows, columns, 1})), left = 56, top = 48, line = 18;
    const double width = static_cast<double>(columns) * size, height = static_cast<double>(rows) * size;
    const std::vector<std::string> facts = picture_facts(map);
    const double below = top + height + 24;
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<title>{2}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<text x=\"{3:.0f}\" y=\"18\">{2}</text>\n",
        std::max(width + left + 24, 460.0), below + line * static_cast<double>(facts.size() + 2), escape_xml(title), left);
    const char *fill[] = {"#eef1f4", "#8fb8de", "#1f5f99"};  // skipped, partial, full
    std::string path[3];                                     // of each kind, one piece for each run of equal cells, in units of a cell
    for (size_t r = 0; r < rows; r++)
        for (size_t begin = 0; begin < columns;) {
            size_t end = begin;
            while (end < columns && map.cells[r][end] == map.cells[r][begin])
                end++;
            path[static_cast<int>(map.cells[r][begin])] += fmt::format("M{0} {1}h{2}v1h-{2}z", begin, r, end - begin);
            begin = end;
        }
    svg += fmt::format("<g transform=\"translate({:.0f} {:.0f}) scale({:.4f})\" shape-rendering=\"crispEdges\">\n", left, top, size);
    for (int kind = 0; kind < 3; kind++)
        svg += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", fill[kind], path[kind]);
    svg += "</g>\n";
    svg += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"none\" stroke=\"#444444\"/>\n", left, top,
                       width, height);
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\">keys 0 … {}</text>\n", left, top - 8, map.pairs.seq_len_kv - 1);
    svg += fmt::format("<text transform=\"translate({:.0f} {:.0f}) rotate(-90)\" text-anchor=\"end\">queries 0 … {}</text>\n", left - 10,
                       top, map.pairs.seq_len_q - 1);
    double x = left;
    const std::pair<const char *, std::string> legend[] = {{fill[2], fmt::format("full {}", map.full)},
                                                           {fill[1], fmt::format("partial {}", map.partial)},
                                                           {fill[0], fmt::format("skipped {}", map.skipped)}};
    for (const auto &[colour, label] : legend) {
        svg += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"12\" height=\"12\" fill=\"{}\" stroke=\"#444444\"/><text x=\"{:.0f}\" "
                           "y=\"{:.0f}\">{}</text>\n",
                           x, below - 10, colour, x + 18, below, label);
        x += 120;
    }
    double y = below + line;
    for (const std::string &fact : facts) {
        svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\">{}</text>\n", left, y, escape_xml(fact));
        y += line;
    }
    return svg + "</svg>\n";
}

}  // namespace attune::cli

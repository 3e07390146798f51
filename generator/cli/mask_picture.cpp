#include "generator/cli/mask_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attune::cli {
namespace {

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

Drawing draw_mask(const BlockMap &map, const std::string &title) {
    const size_t rows = map.cells.size(), columns = rows ? map.cells[0].size() : 0;
    const double size = 640.0 / static_cast<double>(std::max<size_t>({rows, columns, 1})), left = 56, top = 48, line = 18;
    const double width = static_cast<double>(columns) * size, height = static_cast<double>(rows) * size;
    const std::vector<std::string> facts = picture_facts(map);
    const double below = top + height + 24;
    Drawing drawing;
    drawing.title = title;
    drawing.width = std::max({width + left + 24, left + std::ceil(text_width(title)) + 24, 460.0});
    drawing.height = below + line * static_cast<double>(facts.size() + 2);
    drawing.items.emplace_back(Text{left, 18, title});
    Cells cells{left, top, width, height, columns, {}, {pale, {143, 184, 222}, {31, 95, 153}}};  // skipped, partial, full
    for (const auto &row : map.cells)
        for (const BlockKind kind : row)
            cells.colours.push_back(static_cast<uint8_t>(kind));
    if (columns > 0)
        drawing.items.emplace_back(cells);
    drawing.items.emplace_back(Rectangle{left, top, width, height, frame, false});
    drawing.items.emplace_back(Text{left, top - 8, fmt::format("keys 0 … {}", map.pairs.seq_len_kv - 1)});
    drawing.items.emplace_back(Text{left - 10, top, fmt::format("queries 0 … {}", map.pairs.seq_len_q - 1), Anchor::end, true});
    const std::string legend[] = {fmt::format("full {}", map.full), fmt::format("partial {}", map.partial),
                                  fmt::format("skipped {}", map.skipped)};
    for (int i = 0; i < 3; i++) {
        const double x = left + 120 * i;
        drawing.items.emplace_back(Rectangle{x, below - 10, 12, 12, cells.palette[2 - i]});
        drawing.items.emplace_back(Rectangle{x, below - 10, 12, 12, frame, false});
        drawing.items.emplace_back(Text{x + 18, below, legend[i]});
    }
    double y = below + line;
    for (const std::string &fact : facts) {
        drawing.items.emplace_back(Text{left, y, fact});
        y += line;
    }
    return drawing;
}

}  // namespace attune::cli

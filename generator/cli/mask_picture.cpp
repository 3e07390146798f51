#include "generator/cli/mask_picture.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::cli {
namespace {

int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/// Row q sees keys 0 … q + offset - 1, clamped to the sequence.
int64_t diagonal(Mask mask, int64_t seq_len_q, int64_t seq_len_kv) {
    return mask == Mask::causal ? seq_len_kv - seq_len_q + 1 : 1;
}

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

}  // namespace

int64_t visible_keys(Mask mask, int64_t q, int64_t seq_len_q, int64_t seq_len_kv) {
    if (mask == Mask::none)
        return seq_len_kv;
    return std::clamp<int64_t>(q + diagonal(mask, seq_len_q, seq_len_kv), 0, seq_len_kv);
}

int64_t visible_pairs(Mask mask, int64_t seq_len_q, int64_t seq_len_kv) {
    if (mask == Mask::none)
        return seq_len_q * seq_len_kv;
    const int64_t offset = diagonal(mask, seq_len_q, seq_len_kv);
    // Rows before `first` see nothing, rows from `all` on see every key; between them the count is q + offset.
    const int64_t first = std::clamp<int64_t>(1 - offset, 0, seq_len_q);
    const int64_t all = std::clamp<int64_t>(seq_len_kv - offset, first, seq_len_q);
    const int64_t rows = all - first;
    return rows * (first + offset) + rows * (rows - 1) / 2 + (seq_len_q - all) * seq_len_kv;
}

BlockKind block_kind(Mask mask, int64_t q_begin, int64_t q_end, int64_t kv_begin, int64_t kv_end, int64_t seq_len_q, int64_t seq_len_kv) {
    // visible_keys grows with q: the first row decides about full, the last about empty.
    if (kv_end <= visible_keys(mask, q_begin, seq_len_q, seq_len_kv))
        return BlockKind::full;
    if (kv_begin >= visible_keys(mask, q_end - 1, seq_len_q, seq_len_kv))
        return BlockKind::empty;
    return BlockKind::partial;
}

MaskPicture mask_picture(Mask mask, int64_t seq_len_q, int64_t seq_len_kv, int64_t block_q, int64_t block_kv, int max_rows,
                         int max_columns) {
    MaskPicture picture;
    picture.seq_len_q = seq_len_q;
    picture.seq_len_kv = seq_len_kv;
    picture.block_q = std::max<int64_t>(1, block_q);
    picture.block_kv = std::max<int64_t>(1, block_kv);

    const int64_t blocks_q = ceil_div(seq_len_q, picture.block_q), blocks_kv = ceil_div(seq_len_kv, picture.block_kv);
    for (int64_t row = 0; row < blocks_q; row++) {
        // Full blocks, then partial, then empty: count them from the two rows that decide.
        const int64_t q_begin = row * picture.block_q, q_end = std::min(q_begin + picture.block_q, seq_len_q);
        const int64_t all_see = visible_keys(mask, q_begin, seq_len_q, seq_len_kv),
                      any_sees = visible_keys(mask, q_end - 1, seq_len_q, seq_len_kv);
        const int64_t full = all_see == seq_len_kv ? blocks_kv : all_see / picture.block_kv;
        const int64_t visited = ceil_div(any_sees, picture.block_kv);
        picture.full += full;
        picture.partial += visited - full;
        picture.empty += blocks_kv - visited;
    }

    picture.cell_q = picture.block_q * std::max<int64_t>(1, ceil_div(blocks_q, max_rows));
    picture.cell_kv = picture.block_kv * std::max<int64_t>(1, ceil_div(blocks_kv, max_columns));
    for (int64_t q = 0; q < seq_len_q; q += picture.cell_q) {
        auto &row = picture.cells.emplace_back();
        for (int64_t kv = 0; kv < seq_len_kv; kv += picture.cell_kv)
            row.push_back(block_kind(mask, q, std::min(q + picture.cell_q, seq_len_q), kv, std::min(kv + picture.cell_kv, seq_len_kv),
                                     seq_len_q, seq_len_kv));
    }
    return picture;
}

std::vector<std::string> picture_rows(const MaskPicture &picture) {
    std::vector<std::string> rows;
    for (const auto &row : picture.cells) {
        auto &text = rows.emplace_back();
        for (BlockKind kind : row)
            text += kind == BlockKind::full ? "█" : kind == BlockKind::partial ? "▒" : "·";
    }
    return rows;
}

std::string picture_text(const MaskPicture &picture) {
    std::string text =
        fmt::format("mask: queries 0 … {} downwards, keys 0 … {} to the right; a character is {} queries x {} keys ({})\n",
                    picture.seq_len_q - 1, picture.seq_len_kv - 1, picture.cell_q, picture.cell_kv,
                    picture.cell_q == picture.block_q && picture.cell_kv == picture.block_kv
                        ? "a block"
                        : fmt::format("{} x {} blocks", picture.cell_q / picture.block_q, picture.cell_kv / picture.block_kv));
    if (picture.seq_len_q == 0 || picture.seq_len_kv == 0)
        text = "mask: no query or no key\n";
    for (const auto &row : picture_rows(picture))
        text += "  " + row + "\n";
    text += fmt::format("█ full {}   ▒ partial {}   · empty, skipped {}   (blocks of {} x {})\n", picture.full, picture.partial,
                        picture.empty, picture.block_q, picture.block_kv);
    return text;
}

std::string picture_svg(const MaskPicture &picture, const std::string &title) {
    const size_t rows = picture.cells.size(), columns = rows ? picture.cells[0].size() : 0;
    const double size = 640.0 / std::max<size_t>({rows, columns, 1}), left = 56, top = 48;
    const double width = columns * size, height = rows * size;
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<title>{2}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<text x=\"{3:.0f}\" y=\"18\">{2}</text>\n",
        std::max(width + left + 24, 420.0), height + top + 56, escape_xml(title), left);
    const char *fill[] = {"#eef1f4", "#8fb8de", "#1f5f99"};  // empty, partial, full
    for (size_t r = 0; r < rows; r++)
        for (size_t begin = 0; begin < columns;) {  // one rectangle for each run of equal cells
            size_t end = begin;
            while (end < columns && picture.cells[r][end] == picture.cells[r][begin])
                end++;
            svg += fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"/>\n", left + begin * size,
                               top + r * size, (end - begin) * size, size, fill[static_cast<int>(picture.cells[r][begin])]);
            begin = end;
        }
    svg += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"none\" stroke=\"#444444\"/>\n", left, top,
                       width, height);
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\">keys 0 … {}</text>\n", left, top - 8, picture.seq_len_kv - 1);
    svg += fmt::format("<text transform=\"translate({:.0f} {:.0f}) rotate(-90)\" text-anchor=\"end\">queries 0 … {}</text>\n", left - 10,
                       top, picture.seq_len_q - 1);
    double x = left;
    const std::pair<const char *, std::string> legend[] = {{fill[2], fmt::format("full {}", picture.full)},
                                                           {fill[1], fmt::format("partial {}", picture.partial)},
                                                           {fill[0], fmt::format("empty {}", picture.empty)}};
    for (const auto &[colour, label] : legend) {
        svg += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"12\" height=\"12\" fill=\"{}\" stroke=\"#444444\"/><text x=\"{:.0f}\" "
                           "y=\"{:.0f}\">{}</text>\n",
                           x, top + height + 14, colour, x + 18, top + height + 24, label);
        x += 120;
    }
    return svg + "</svg>\n";
}

}  // namespace attune::cli

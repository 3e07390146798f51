#pragma once
#include "generator/spec/spec.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attune::cli {

/// Keys that row q of a sequence sees. Every mask of this version shows a prefix: keys 0 … n - 1, n growing with q.
int64_t visible_keys(Mask mask, int64_t q, int64_t seq_len_q, int64_t seq_len_kv);

/// Visible (q, kv) of one head: the sum of visible_keys over all rows, in closed form.
int64_t visible_pairs(Mask mask, int64_t seq_len_q, int64_t seq_len_kv);

/// What a rectangle of pairs holds: no visible pair, some, or nothing else.
enum class BlockKind { empty, partial, full };
BlockKind block_kind(Mask mask, int64_t q_begin, int64_t q_end, int64_t kv_begin, int64_t kv_end, int64_t seq_len_q, int64_t seq_len_kv);

/// The mask in blocks of the kernel. A cell is one block, or several where the grid would exceed the limit.
struct MaskPicture {
    int64_t seq_len_q = 0, seq_len_kv = 0;
    int64_t block_q = 1, block_kv = 1;          ///< of the kernel
    int64_t cell_q = 1, cell_kv = 1;            ///< of the picture: multiples of the block
    int64_t full = 0, partial = 0, empty = 0;   ///< blocks of the kernel
    std::vector<std::vector<BlockKind>> cells;  ///< [row][column]
};
MaskPicture mask_picture(Mask mask, int64_t seq_len_q, int64_t seq_len_kv, int64_t block_q, int64_t block_kv, int max_rows,
                         int max_columns);

/// Rows of characters: full █, partial ▒, empty ·
std::vector<std::string> picture_rows(const MaskPicture &picture);
/// With axes and legend, for a terminal.
std::string picture_text(const MaskPicture &picture);
/// The same as an SVG document.
std::string picture_svg(const MaskPicture &picture, const std::string &title);

}  // namespace attune::cli

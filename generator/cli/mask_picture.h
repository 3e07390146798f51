#pragma once
#include "generator/cli/picture/drawing.h"
#include "generator/plan/block_map.h"

#include <string>
#include <vector>

namespace attune::cli {

/// A row of characters for each row of cells: full █, partial ▒, skipped ·
std::vector<std::string> picture_rows(const BlockMap &map);
/// Of a map's counts: blocks, density, useful share of the work, and how many of the visited blocks hold a visible pair.
std::vector<std::string> picture_facts(const BlockMap &map);
/// With axes, legend and facts, for a terminal.
std::string picture_text(const BlockMap &map);
/// The same as a picture.
Drawing draw_mask(const BlockMap &map, const std::string &title);

}  // namespace attune::cli

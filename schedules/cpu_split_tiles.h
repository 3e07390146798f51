#pragma once
#include "generator/algorithm/split_tiles.h"

namespace attune {

/// Blocks of keys, read once for all strips of rows.
void schedule_cpu_split_tiles(const AttentionTask &task, SplitTileStages &stages);

/// How often a chunk's loops ask for cache rows ahead (split_asks).
int split_tile_asks(const AttentionTask &task);

}  // namespace attune

#pragma once
#include "generator/algorithm/split_integer_tiles.h"

namespace attune {

/// Tiles of four rows, each of which reads the chunk.
void schedule_cpu_split_integers(const AttentionTask &task, SplitIntegerStages &stages);

/// How often a chunk's loops ask for cache rows ahead (split_asks).
int split_integer_asks(const AttentionTask &task);

}  // namespace attune

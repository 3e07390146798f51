#pragma once
#include "generator/algorithm/split_rows.h"

namespace attune {

/// Strips of rows in lanes, keys and values broadcast, a chunk of keys a task.
void schedule_cpu_split_rows(const AttentionTask &task, SplitRowStages &stages, int registers);

/// How often a chunk's loops ask for cache rows ahead (split_asks), of a call of one strip.
int split_row_asks(const AttentionTask &task, int registers);

}  // namespace attune

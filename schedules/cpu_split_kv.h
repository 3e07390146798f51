#pragma once
#include "generator/algorithm/attention.h"

namespace attune {

/// Few query rows (decode): head dims in lanes, rows in tiles of 1, 2 or 4, a chunk of keys a task.
struct CpuSplitParameters {
    int split_kv = 512;  ///< keys of a chunk: part of the result's bits, as sums are by chunk
};
/// Most positions of a call.
constexpr int split_positions = 16;
/// Keys that a chunk with a mask is cut to whole numbers of, at both ends: a window of 256 keys is not two chunks of 512.
constexpr int split_tile_keys = 64;

BlockShape cpu_split_shape(const AttentionSpec &spec, const CpuSplitParameters &parameters, int vector);
/// How often a tile of rows asks for cache rows ahead; 0: it reads them in an order that prefetchers follow.
int split_asks(const AttentionSpec &spec, const BlockShape &shape);
void schedule_cpu_split_kv(const AttentionTask &task, SplitStages &stages, int registers);
void schedule_cpu_append(const AttentionTask &task, AppendStages &stages);
void schedule_cpu_combine(const AttentionTask &task, CombineStages &stages);

}  // namespace attune

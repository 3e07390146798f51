#pragma once
#include "generator/algorithm/attention.h"
#include "schedules/parameter.h"

namespace attune {

/// Few query rows (decode): head dims in lanes, rows in tiles of 1, 2 or 4, a chunk of keys a task.
struct CpuSplitParameters {
    int split_kv = 512;  ///< part of the result's bits, as sums are by chunk
    int accumulators = 8;
    int unroll = 2;
    int unroll_values = 4;
    // Of the specification and the target, not tuned:
    bool matrix_tiles = false;  ///< cpu_split_tiles instead
};
const std::vector<ScheduleParameter<CpuSplitParameters>> &cpu_split_parameters();
/// As cpu_parameters_error has it.
std::string cpu_split_parameters_error(const CpuSplitParameters &parameters, int registers);

/// Most positions of a call.
constexpr int split_positions = 16;
/// Keys that a chunk with a mask is cut to whole numbers of, at both ends: a window of 256 keys is not two chunks of 512.
constexpr int split_tile_keys = 64;

BlockShape cpu_split_shape(const AttentionSpec &spec, const CpuSplitParameters &parameters, int vector);
/// A cache whose rows one query row reads in an order that prefetchers follow, and no faster than they do.
bool split_reads_f32_in_order(const AttentionSpec &spec);
/// How often a tile of rows asks for cache rows ahead; 0: it reads them in an order that prefetchers follow.
int split_asks(const AttentionTask &task, const CpuSplitParameters &parameters);
void schedule_cpu_split_kv(const AttentionTask &task, SplitStages &stages, const CpuSplitParameters &parameters);
void schedule_cpu_append(const AttentionTask &task, AppendStages &stages);
void schedule_cpu_combine(const AttentionTask &task, CombineStages &stages);

}  // namespace attune

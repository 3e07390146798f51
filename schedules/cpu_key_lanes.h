#pragma once
#include "generator/algorithm/key_lanes.h"
#include "schedules/parameter.h"

namespace attune {

/// Full rows without a mask: keys in vector lanes, then value columns; rows broadcast.
struct CpuKeyLanesParameters {
    int tile_rows = 8;
    int tile_keys = 2;
    int tile_columns = 2;
    int block_q = 512;
    int unroll = 2;
};
const std::vector<ScheduleParameter<CpuKeyLanesParameters>> &cpu_key_lanes_parameters();
/// As cpu_parameters_error has it.
std::string cpu_key_lanes_parameters_error(const CpuKeyLanesParameters &parameters, int registers);
/// The defaults for a specification.
CpuKeyLanesParameters default_key_lanes_parameters(const AttentionSpec &spec, int vector, int registers);

BlockShape cpu_key_lanes_shape(const CpuKeyLanesParameters &parameters, int fold, int vector);
/// Bytes of scratch that a key takes: transposed, its logits, weights and array elements of a strip, and its value where that is converted.
int64_t key_lanes_scratch_per_key(const AttentionSpec &spec, const BlockShape &shape);
/// Calls of attune_ask_ahead for a tile of keys: where its scores begin, and beside that where its weights do. In one place 28 lines of a window of 49 rows
/// are too many at once: 6 % of its time.
constexpr int key_lanes_asks = 1;
void schedule_cpu_key_lanes(const AttentionTask &task, KeyLanesStages &stages, const CpuKeyLanesParameters &parameters);

}  // namespace attune

#pragma once
#include "generator/algorithm/attention.h"
#include "schedules/parameter.h"

#include <string>
#include <vector>

namespace attune {

/// Parameters of the CPU families: query rows in vector lanes, keys and values broadcast, register tiles, chunks of keys.
struct CpuScheduleParameters {
    int tile_q = 3;
    int tile_kv = 8;
    int tile_d = 8;
    int block_kv = 64;
    int block_q = 192;
    int unroll = 2;
    // Of the specification and the target, not tuned:
    int fold = 1;  ///< query heads a task
    Products scores = Products::f32, values = Products::f32;
    bool matrix_tiles = false;  ///< products of full chunks as contractions of tiles
};

const std::vector<ScheduleParameter<CpuScheduleParameters>> &cpu_parameters();

/// The first parameter that is illegal for this machine and why ("block_kv is 60, expected a multiple of tile_kv, which is 8"); empty
/// when all are legal.
std::string cpu_parameters_error(const CpuScheduleParameters &parameters, int vector, int registers);

/// Bytes that the loops of a task come back to: what should stay in the second-level cache, and its part for the first level.
struct CpuFootprint {
    int64_t task = 0;   ///< query and accumulator of a task, a chunk of keys and values
    int64_t strip = 0;  ///< query strip, weights strip and a register tile's keys
    static const char *formula();
};
CpuFootprint cpu_footprint(const AttentionSpec &spec, const CpuScheduleParameters &parameters, int vector);

BlockShape cpu_block_shape(const CpuScheduleParameters &parameters, int vector);

/// How often a visit of a partial chunk asks for the next task's rows after its beginning: at each block of columns, or between the products of matrix
/// tiles, since a sequence of one or two chunks has so many rows a visit that asking for all at once stalls. Full chunks belong to longer ones, where the
/// calls cost more than they win: bf16 in tiles, 197 keys 4 to 5 % faster, 384 keys 4 %; where full chunks ask too, 4096 keys of head_dim 64 3 % slower.
int partial_asks(const AttentionSpec &spec, const BlockShape &shape);

/// The fixed reference, and sigmoid weights: full and partial chunks as the accumulator's two updates, so that hidden chunks cost nothing and full
/// ones run no mask code.
void schedule_cpu_fixed_reference(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &parameters);
/// The online algorithm in the same loops; its logits take a strip of their own.
void schedule_cpu_online(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &parameters);
/// Full rows: a strip keeps the logits of all its keys.
void schedule_cpu_full_row(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &parameters);
void schedule_cpu_row_classes(const AttentionTask &task, RowClassStages &stages);
void schedule_cpu_key_norms(const AttentionTask &task, KeyNormStages &stages);
/// Blocks of keys in lanes.
void schedule_cpu_block_states(const AttentionTask &task, Halide::Func &states);
void schedule_cpu_pairs(const AttentionTask &task, PairsStages &stages);

}  // namespace attune

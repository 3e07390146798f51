#pragma once
#include "generator/algorithm/projection.h"
#include "schedules/parameter.h"

namespace attune {

/// Outputs in vector lanes: weights are read as they are packed, inputs are broadcast. In matrix tiles: rows of inputs are the left operand,
/// a panel of weights the right one.
struct CpuProjectionParameters {
    int tile_rows = 4;     ///< rows of a register tile
    int tile_columns = 3;  ///< vectors of one
    int block_rows = 192;
    int block_columns = 384;
    int block_inputs = 256;  ///< part of the result's bits, as sums are by chunk
    int unroll = 4;
    // Of the specification and the target, not tuned:
    bool pairs = false;         ///< products of bf16 pairs
    bool matrix_tiles = false;  ///< as contractions of tiles
};
const std::vector<ScheduleParameter<CpuProjectionParameters>> &cpu_projection_parameters();
/// The first parameter that is not legal; empty where all are.
std::string cpu_projection_parameters_error(const CpuProjectionParameters &parameters, int vector, int registers);
/// What fits a machine of so many registers of `vector` floats and these operations.
CpuProjectionParameters default_projection_parameters(const ProjectionSpec &spec, int vector, int registers,
                                                      const MachineOperations &machine);

ProjectionShape cpu_projection_shape(const ProjectionSpec &spec, const CpuProjectionParameters &parameters, int vector);
void schedule_cpu_projection(const ProjectionTask &task, ProjectionStages &stages, const CpuProjectionParameters &parameters);

}  // namespace attune

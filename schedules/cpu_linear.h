#pragma once
#include "generator/algorithm/linear_attention.h"
#include "schedules/parameter.h"

namespace attune {

/// Linear attention: value columns in lanes, a chunk of positions a task, the state of a key/value head in the second-level cache or nearer.
struct CpuLinearParameters {
    int chunk = 16;
    int tile_rows = 4;
    int tile_columns = 2;
    int tile_d = 4;
    int unroll = 2;
};
const std::vector<ScheduleParameter<CpuLinearParameters>> &cpu_linear_parameters();
/// As cpu_parameters_error has it.
std::string cpu_linear_parameters_error(const CpuLinearParameters &parameters, int registers);
/// The defaults for a specification.
CpuLinearParameters default_linear_parameters(const AttentionSpec &spec, int vector, int registers);

/// How often a whole chunk's rows ask for the next chunk's; 0: prefetchers follow single keys.
int linear_asks(const AttentionSpec &spec, const LinearShape &shape);
LinearShape cpu_linear_shape(const CpuLinearParameters &parameters, int fold, int vector);
void schedule_cpu_linear_read(const LinearTask &task, LinearReadStages &stages, const CpuLinearParameters &parameters);
void schedule_cpu_linear_update(const LinearTask &task, LinearUpdateStages &stages);

}  // namespace attune

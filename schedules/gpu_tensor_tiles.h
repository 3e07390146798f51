#pragma once
#include "generator/algorithm/tensor_core_attention.h"
#include "schedules/parameter.h"

#include <string>

namespace attune {

/// A block of warps for each block of rows of a head block: a warp owns 16 * row_tiles rows and keeps their sums in registers; keys and values of
/// a chunk lie in shared memory, where they come while the chunk before is computed.
struct GpuTensorParameters {
    int warps = 4;
    int row_tiles = 2;
    int block_kv = 64;
    int stages = 1;
    int query_registers = 0;
    int blocks_per_sm = 2;
    int lag = 8;
};
const std::vector<ScheduleParameter<GpuTensorParameters>> &gpu_tensor_parameters();
/// What is wrong with them ("block_kv is 24, expected a multiple of 16"), or "".
std::string gpu_tensor_parameters_error(const AttentionSpec &spec, const GpuTensorParameters &parameters);
/// Worth trying for a specification, the best first; the later ones take less shared memory.
std::vector<GpuTensorParameters> gpu_tensor_choices(const AttentionSpec &spec);

TensorCoreShape gpu_tensor_shape(const AttentionSpec &spec, const GpuTensorParameters &parameters);
void schedule_gpu_tensor(TensorCoreTask &task, TensorCoreStages &stages);

}  // namespace attune

#pragma once
#include "generator/algorithm/device_attention.h"
#include "schedules/parameter.h"

#include <map>
#include <string>

namespace attune {

/// A work-group for each block of rows of a head block: keys and values of a chunk staged in shared memory, products in register tiles of the
/// threads, as in a good matrix product; maximum, sum and weighted values of a row in registers across all chunks.
struct GpuFlashParameters {
    int block_q = 64;
    int block_kv = 32;
    int threads_x = 8;
    int threads_y = 16;
    int unroll = 2;       ///< steps of the sum over head_dim
    int unroll_keys = 1;  ///< steps of the sum over keys
    int split_keys = 0;
};
const std::vector<ScheduleParameter<GpuFlashParameters>> &gpu_flash_parameters();
/// What is wrong with them ("block_q is 65, expected a multiple of threads_y (16)"), or "".
std::string gpu_flash_parameters_error(const GpuFlashParameters &parameters);
/// Bytes of shared memory that a work-group takes, an upper bound: Halide 21 gives stages that do not live at a time one place, or fails
/// to. `merged`: what it comes to where values take the place of keys, as with tiles of at least 64 rows at head dims up to 128.
int64_t gpu_flash_shared_bytes(const AttentionSpec &spec, const GpuFlashParameters &parameters, bool merged = false);

DeviceShape gpu_flash_shape(const GpuFlashParameters &parameters, int fold);
/// `aligned`: arrays and their strides are multiples of 16 bytes.
void schedule_gpu_flash(DeviceTask &task, DeviceStages &stages, const GpuFlashParameters &parameters, bool aligned);
/// Of keep_in_registers.
std::map<std::string, int> gpu_flash_replicated(const DeviceStages &stages, const DeviceShape &shape);

}  // namespace attune

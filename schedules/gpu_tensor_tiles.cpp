#include "schedules/gpu_tensor_tiles.h"

#include <bit>
#include <fmt/format.h>

namespace attune {

using namespace Halide;

const std::vector<ScheduleParameter<GpuTensorParameters>> &gpu_tensor_parameters() {
    static const std::vector<ScheduleParameter<GpuTensorParameters>> parameters = {
        {"warps",
         &GpuTensorParameters::warps,
         1,
         16,
         {4, 8},
         "Warps of a block, a power of 2. More: keys are read less often by the device; fewer: barriers hold up less."},
        {"row_tiles",
         &GpuTensorParameters::row_tiles,
         1,
         2,
         {1, 2},
         "16-row tiles of a warp. 2: each key and value read from shared memory serves twice the products, with twice the registers for "
         "sums."},
        {"block_kv",
         &GpuTensorParameters::block_kv,
         16,
         256,
         {32, 64, 128},
         "Keys of a chunk, a multiple of 16. Larger: fewer barriers, more registers for scores and more shared memory."},
        {"stages",
         &GpuTensorParameters::stages,
         1,
         2,
         {1, 2},
         "Buffers of keys and values. 2: one barrier a chunk instead of two, twice the shared memory for them."},
        {"query_registers",
         &GpuTensorParameters::query_registers,
         0,
         1,
         {0, 1},
         "1: query stays in registers, head_dim / 4 for each row tile; 0: it is read from shared memory for each chunk."},
        {"blocks_per_sm",
         &GpuTensorParameters::blocks_per_sm,
         1,
         4,
         {1, 2},
         "Blocks of a multiprocessor that registers must suffice for: 65536 over their threads, at most 255 a thread."},
        {"lag",
         &GpuTensorParameters::lag,
         0,
         14,
         {0, 8},
         "Log2 of how far weights may grow before sums are rescaled. More: rescaled less often; f16 ends at 2^15."},
    };
    return parameters;
}

std::string gpu_tensor_parameters_error(const AttentionSpec &spec, const GpuTensorParameters &p) {
    if (const std::string error = parameter_range_error(p, gpu_tensor_parameters()); !error.empty())
        return error;
    if (!std::has_single_bit(static_cast<unsigned>(p.warps)))
        return fmt::format("warps is {}, expected a power of 2", p.warps);
    if (p.block_kv % 16 != 0)
        return fmt::format("block_kv is {}, expected a multiple of 16", p.block_kv);
    const TensorCoreShape shape = gpu_tensor_shape(spec, p);
    for (const int dim : {spec.head_dim, spec.head_dim_v})
        if (const int at_once = shape.copy(dim).rows_at_once; at_once < p.block_kv && p.block_kv % at_once != 0)
            return fmt::format("block_kv is {}, expected a multiple of {}, the rows that {} warps copy at once", p.block_kv, at_once,
                               p.warps);
    return "";
}

std::vector<GpuTensorParameters> gpu_tensor_choices(const AttentionSpec &spec) {
    // H100, TFLOP/s of f16 without a mask at 4 x 4096 tokens. 64: query in registers 331, read 327; chunks of 128 325.
    // 128: two row tiles 362, one 292; two stages 344; chunks of 32 355. 256 (8 heads): 4 warps with chunks of 32 255.
    if (spec.head_dim_v <= 64 && spec.head_dim <= 64)
        return {{.query_registers = 1}};
    if (spec.head_dim_v <= 128)
        return {{}, {.block_kv = 32}, {.row_tiles = 1, .block_kv = 32}};
    return {{.row_tiles = 1, .block_kv = 32}};
}

TensorCoreShape gpu_tensor_shape(const AttentionSpec &spec, const GpuTensorParameters &p) {
    TensorCoreShape shape;
    shape.head_dim = spec.head_dim;
    shape.head_dim_v = spec.head_dim_v;
    shape.warps = p.warps;
    shape.row_tiles = p.row_tiles;
    shape.block_kv = p.block_kv;
    shape.stages = p.stages;
    shape.query_in_registers = p.query_registers != 0;
    shape.blocks_per_sm = p.blocks_per_sm;
    shape.lag = static_cast<float>(p.lag);
    return shape;
}

void schedule_gpu_tensor(TensorCoreTask &task, TensorCoreStages &stages) {
    Var t("t"), qb("qb"), hb("hb"), b("b"), c("c");
    Func state = stages.state, kinds = stages.kinds, scores = stages.scores;
    const RDom &threads = stages.threads;
    stages.output.update().allow_race_conditions().gpu_blocks(threads.y, threads.z, threads.w).gpu_threads(threads.x);
    for (Func f : {stages.used, stages.range, state, stages.late})
        f.compute_at(stages.output, threads.x).store_in(MemoryType::Register);
    for (Func f : {stages.left, kinds, scores, stages.ahead})
        f.compute_at(state, stages.chunk).store_in(MemoryType::Register);
    stages.used.bound_extent(b, 1);
    for (const Var &v : {qb, hb, b})
        for (Func f : {stages.range, stages.left, kinds, state, scores, stages.ahead, stages.late})
            f.bound_extent(v, 1);
    for (Func f : {state, scores, stages.ahead, stages.late})
        f.bound_extent(t, 1);
    kinds.bound_extent(c, task.skips_chunks() ? 2 : 1).unroll(c);
    for (Func f : {stages.left, scores, stages.ahead})
        f.bound_extent(c, 1);
    scores.update(0).unscheduled();
    const int first_update = scores.num_update_definitions() - static_cast<int>(stages.elements.size());
    for (size_t i = 0; i < stages.elements.size(); i++)
        scores.update(first_update + static_cast<int>(i)).unroll(stages.elements[i]);

    OutputImageParam output = stages.output.output_buffer();
    output.dim(0).set_bounds(0, task.spec.head_dim_v).set_stride(1);
    output.dim(1).set_bounds(0, task.block.fold);
    for (int d = 2; d < 5; d++)
        output.dim(d).set_min(0);
}

}  // namespace attune

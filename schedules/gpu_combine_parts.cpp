#include "schedules/gpu_combine_parts.h"

#include <algorithm>

namespace attune {

using namespace Halide;

void schedule_gpu_combine(DeviceCombine &task, DeviceCombineStages &stages) {
    constexpr int most_threads = 128;
    const int columns = task.spec.head_dim_v, threads = std::min(columns, most_threads);
    Var d("d"), r("r"), head("folded_head"), position("position"), hb("hb"), b("b"), row("row"), step("step"), x("x");
    Func output = stages.output;
    output.bound(d, 0, columns).bound(head, 0, task.block.fold);
    output.fuse(head, position, row)
        .split(d, step, x, threads, columns % threads == 0 ? TailStrategy::Auto : TailStrategy::GuardWithIf)
        .reorder(step, x, row, hb, b)
        .gpu_blocks(row, hb, b)
        .gpu_threads(x);
    for (Func f : {stages.maximum, stages.sum, stages.accumulator})
        f.compute_at(output, step).store_in(MemoryType::Register).bound_extent(r, 1);
    stages.accumulator.bound_extent(d, 1);
    if (task.spec.lse)
        stages.row_lse.compute_at(output, step).store_in(MemoryType::Register).bound_extent(r, 1).bound_extent(d, 1);
    for (int dimension = 0; dimension < 5; dimension++)
        output.output_buffer().dim(dimension).set_min(0);
}

}  // namespace attune

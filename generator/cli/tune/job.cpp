#include "generator/cli/tune/job.h"

#include "generator/backend/schedule_space.h"
#include "generator/cli/cost.h"
#include "generator/plan/block_map.h"

#include <algorithm>
#include <cmath>

namespace attune::cli {

namespace {

/// Bytes of a key and its value in memory.
double key_and_value_bytes(const AttentionSpec &spec) {
    return double(cache_row_bytes(spec, spec.head_dim)) + (spec.cache.values_in_key ? 0 : double(cache_row_bytes(spec, spec.head_dim_v)));
}

CallWork decode_work(const AttentionSpec &spec, const Shape &shape) {
    CallWork work;
    work.rows = double(shape.batch * shape.num_heads * shape.seq_len_q);
    work.kv_heads = double(shape.batch * shape.num_kv_heads);
    work.seq_len_kv = double(shape.seq_len_kv);
    work.cache_row_bytes = key_and_value_bytes(spec);
    return work;
}

/// Pairs that a strip computes, from the plan's blocks as wide as a strip and as long as a tile of keys: one head of one sequence, as masks of
/// heads and sequences differ little in how much they show.
CallWork prefill_work(const KernelPlan &plan, const Shape &shape, const CallParams &params) {
    const AttentionSpec &spec = plan.spec;
    const attune_kernel_variant sizes = planned_sizes(plan);
    const int64_t strip = std::max(sizes.strip_rows / sizes.fold, 1), block = std::max(sizes.block_q, 1);
    const double heads = double(shape.batch * shape.num_heads), tasks_of_head = std::ceil(double(shape.seq_len_q) / double(block));
    CallWork work;
    work.rows = heads * std::ceil(double(shape.seq_len_q) / double(strip)) * double(strip);
    work.kv_heads = double(shape.batch * shape.num_kv_heads);
    work.seq_len_kv = double(shape.seq_len_kv);
    work.cache_row_bytes = key_and_value_bytes(spec);
    work.tasks = heads / sizes.fold * tasks_of_head;
    if (!spec.mask || spec.block_mask) {
        work.pairs = double(call_cost(spec, shape, params.values(), params.lists()).visible_pairs);
        return work;
    }
    const MaskOfCall mask{spec.mask.root, spec.params, params.values()};
    const HeadPairs head{0, 0, 0, shape.seq_len_q, shape.seq_len_kv};
    const BlockMap chunks = map_blocks(mask, head, strip, sizes.block_kv, 1, 1), tiles = map_blocks(mask, head, strip, sizes.tile_kv, 1, 1);
    work.pairs = heads * double(tiles.computed_pairs);
    work.masked_pairs = std::max(work.pairs - heads * double(chunks.full) * double(strip) * sizes.block_kv, 0.0);
    return work;
}

}  // namespace

std::vector<std::string> TuneJob::shape_names() const {
    std::vector<std::string> names;
    for (const Shape &shape : shapes)
        names.push_back(shape_text(shape));
    return names;
}

CallWork call_work(const KernelPlan &plan, const Shape &shape, const CallParams &params, int threads) {
    CallWork work = plan.spec.decode ? decode_work(plan.spec, shape) : prefill_work(plan, shape, params);
    work.threads = threads;
    return work;
}

autotune::Space tuning_space(const TuneJob &job, const std::map<std::string, std::vector<int>> &values, const MachineLimits &machine) {
    autotune::Space space = schedule_space(job.spec, *job.target, values);
    space.predicted_ms = [job, machine, parameters = space.parameters](const autotune::Point &point) {
        const KernelPlan plan = plan_kernel(job.spec, *job.target, overrides_of(parameters, point));
        double logs = 0;
        for (size_t i = 0; i < job.shapes.size(); i++)
            logs += std::log(attune::predicted_ms(plan, machine, call_work(plan, job.shapes[i], job.params[i], job.threads)));
        return std::exp(logs / double(job.shapes.size()));
    };
    return space;
}

}  // namespace attune::cli

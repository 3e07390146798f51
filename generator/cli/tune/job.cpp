#include "generator/cli/tune/job.h"

#include "generator/backend/schedule_space.h"
#include "generator/cli/cost.h"
#include "generator/plan/block_map.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

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

/// Pairs that a job's calls compute, counted once for each size of blocks: to walk a mask takes milliseconds, and thousands of points share some
/// tens of sizes.
class PairCounts {
public:
    struct Pairs {
        double computed = 0;  ///< in blocks that hold a visible pair
        double full = 0;      ///< of them, in blocks that ask no mask
    };
    explicit PairCounts(const TuneJob &job) : job_(job) {}

    /// Over all heads and sequences, of blocks of `rows` x `keys`: from one head of one sequence, as masks of heads and sequences differ little in
    /// how much they show. Of lists of blocks, and without a mask, the visible pairs, whatever the size.
    const Pairs &of(size_t shape, int64_t rows, int64_t keys) {
        const bool has_blocks = job_.spec.mask && !job_.spec.block_mask;
        const auto [entry, is_new] =
            counted_.try_emplace(has_blocks ? std::tuple(shape, rows, keys) : std::tuple(shape, int64_t(0), int64_t(0)));
        if (is_new)
            entry->second = has_blocks ? in_blocks(shape, rows, keys) : listed(shape);
        return entry->second;
    }

private:
    Pairs in_blocks(size_t index, int64_t rows, int64_t keys) const {
        const Shape &shape = job_.shapes[index];
        const double heads = double(shape.batch * shape.num_heads);
        const BlockMap map = map_blocks({job_.spec.mask.root, job_.spec.params, job_.params[index].values()},
                                        {0, 0, 0, shape.seq_len_q, shape.seq_len_kv}, rows, keys, 1, 1);
        return {heads * double(map.computed_pairs), heads * double(map.full * rows * keys)};
    }
    Pairs listed(size_t index) const {
        const CallParams &params = job_.params[index];
        const auto pairs = double(call_cost(job_.spec, job_.shapes[index], params.values(), params.lists()).visible_pairs);
        return {pairs, pairs};
    }

    TuneJob job_;
    std::map<std::tuple<size_t, int64_t, int64_t>, Pairs> counted_;
};

CallWork prefill_work(const KernelPlan &plan, const Shape &shape, size_t index, PairCounts &counts) {
    const attune_kernel_variant sizes = planned_sizes(plan);
    const int64_t strip = std::max(sizes.strip_rows / sizes.fold, 1), block = std::max(sizes.block_q, 1);
    const double heads = double(shape.batch * shape.num_heads), tasks_of_head = std::ceil(double(shape.seq_len_q) / double(block));
    CallWork work;
    work.rows = heads * std::ceil(double(shape.seq_len_q) / double(strip)) * double(strip);
    work.kv_heads = double(shape.batch * shape.num_kv_heads);
    work.seq_len_kv = double(shape.seq_len_kv);
    work.cache_row_bytes = key_and_value_bytes(plan.spec);
    work.tasks = heads / sizes.fold * tasks_of_head;
    if (is_linear(plan.spec)) {  // no pairs but a chunk's
        work.pairs = work.rows * double(block);
        return work;
    }
    work.pairs = counts.of(index, strip, sizes.tile_kv).computed;  // a partial chunk leaves out tiles
    work.masked_pairs = std::max(work.pairs - counts.of(index, strip, sizes.block_kv).full, 0.0);
    return work;
}

/// What the cost model asks of a call under a plan.
CallWork call_work(const KernelPlan &plan, const TuneJob &job, size_t index, PairCounts &counts) {
    const Shape &shape = job.shapes[index];
    CallWork work = plan.spec.decode ? decode_work(plan.spec, shape) : prefill_work(plan, shape, index, counts);
    work.threads = job.threads;
    return work;
}

}  // namespace

CallWork call_work(const KernelPlan &plan, const TuneJob &job, size_t index) {
    PairCounts counts(job);
    return call_work(plan, job, index, counts);
}

std::vector<std::string> TuneJob::shape_names() const {
    std::vector<std::string> names;
    for (const Shape &shape : shapes)
        names.push_back(shape_text(shape));
    return names;
}

autotune::Space tuning_space(const TuneJob &job, const std::map<std::string, std::vector<int>> &values, const MachineLimits &machine) {
    autotune::Space space = schedule_space(job.spec, *job.target, values);
    space.predicted_ms = [job, machine, parameters = space.parameters,
                          counts = std::make_shared<PairCounts>(job)](const autotune::Point &point) {
        const KernelPlan plan = plan_kernel(job.spec, *job.target, overrides_of(parameters, point));
        double logs = 0;
        for (size_t i = 0; i < job.shapes.size(); i++)
            logs += std::log(attune::predicted_ms(plan, machine, call_work(plan, job, i, *counts)));
        return std::exp(logs / double(job.shapes.size()));
    };
    return space;
}

}  // namespace attune::cli

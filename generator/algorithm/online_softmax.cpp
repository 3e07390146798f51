#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

AttentionStages define_online_softmax(const AttentionTask &task, bool split_full_chunks) {
    AttentionStages stages;
    const BlockShape &shape = task.shape;
    Var i("i"), c("c"), s("s");
    define_query(task, stages);

    // One row of a task that leaves the fixed reference must not cost the task: strips without such a row are left out.
    RDom in_strip(0, shape.strip, "in_strip");
    stages.wanted = Func("wanted");
    stages.wanted(s) = 0;
    stages.wanted(s) = max(stages.wanted(s), task.args.row_class(task.existing_row(s * shape.strip + in_strip)));
    stages.wanted.compute_root();  // in every schedule, and in none: Halide 21 cannot inline a reduction into a predicate

    // The column that holds the running maximum is the last to change, so that the others still read the old one.
    // Maxima are integers: rescaling by them is exact.
    define_accumulator(task, stages);
    for (bool partial : {false, true}) {
        if (!partial && !split_full_chunks)
            continue;
        ChunkStages &chunk = partial ? stages.partial : stages.full;
        const std::string suffix = partial ? "_partial" : "_full";
        const VisitList list = visit_list(task, partial);
        define_scores(task, stages, partial, [](const Expr &, const Expr &) { return Expr(0.0f); });
        define_logits(task, stages, partial);
        chunk.maximum = Func("maximum" + suffix);
        chunk.maximum(i, c, s) = first_maximum;
        Expr k;
        if (partial) {
            chunk.over_max = RDom(0, shape.tile_kv, 0, shape.tiles(), "over_max" + suffix);
            chunk.over_max.where(list.holds_tile(chunk.over_max.y, c, s));
            k = chunk.over_max.y * shape.tile_kv + chunk.over_max.x;
        } else {
            chunk.over_max = RDom(0, shape.block_kv, "over_max" + suffix);
            k = chunk.over_max;
        }
        chunk.maximum(i, c, s) = max(chunk.maximum(i, c, s), chunk.logits(i, k, c, s));
        define_weights_of_logits(task, stages, partial, ceil(chunk.maximum(i, c, s)));
        define_weighted(task, stages, partial);

        RDom &loop = partial ? stages.partial_loop : stages.full_loop;
        loop = RDom(0, shape.tile_d, 0, task.value_blocks() + 1, 0, list.count(), partial ? "partial" : "full");
        loop.where(list.visits(loop.z, s) && stages.wanted(s) == ATTUNE_ROW_ONLINE);
        const Expr old_max = stages.accumulator(i, 1, task.value_blocks(), s), chunk_max = ceil(chunk.maximum(i, loop.z, s));
        const Expr new_max = max(old_max, chunk_max);
        const Expr old = stages.accumulator(i, loop.x, loop.y, s) * exp2_integer(old_max - new_max),
                   weight = exp2_integer(chunk_max - new_max);
        const Expr state = select(loop.x == 0, old + chunk_row_sum(chunk, i, loop.z, s) * weight, new_max);
        stages.accumulator(i, loop.x, loop.y, s) =
            select(loop.y < task.value_blocks(), likely(old + chunk.weighted(i, loop.x, loop.y, loop.z, s) * weight), state);
    }
    define_exact_result(task, stages);
    define_outputs(task, stages, ATTUNE_ROW_ONLINE);
    return stages;
}

}  // namespace attune

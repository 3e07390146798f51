#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

AttentionStages define_full_row_softmax(const AttentionTask &task) {
    AttentionStages stages;
    const BlockShape &shape = task.shape;
    Var i("i"), c("c"), s("s");
    define_query(task, stages);

    // One kind of chunk: rows are short, so that most strips have a partial one, and a second copy of the code would not pay.
    ChunkStages &chunk = stages.partial;
    const VisitList list = visit_list(task, true);
    define_scores(task, stages, true, [](const Expr &, const Expr &) { return Expr(0.0f); });
    define_logits(task, stages, true);
    chunk.over_max = RDom(0, shape.tile_kv, 0, shape.tiles(), 0, list.count(), "over_max");
    chunk.over_max.where(list.visits(chunk.over_max.z, s) && list.holds_tile(chunk.over_max.y, chunk.over_max.z, s));
    stages.reference = Func("row_maximum");
    stages.reference(i, s) = first_maximum;
    const Expr k = chunk.over_max.y * shape.tile_kv + chunk.over_max.x;
    stages.reference(i, s) = max(stages.reference(i, s), chunk.logits(i, k, chunk.over_max.z, s));
    define_weights_of_logits(task, stages, true, ceil(stages.reference(i, s)));
    define_weighted(task, stages, true);

    define_accumulator(task, stages);
    stages.partial_loop = RDom(0, list.count(), "visit");
    stages.partial_loop.where(list.visits(stages.partial_loop, s));
    accumulate_chunk(task, stages, chunk, stages.partial_loop, ceil(stages.reference(i, s)));
    define_exact_result(task, stages);
    define_outputs(task, stages, ATTUNE_ROW_ONLINE);
    return stages;
}

}  // namespace attune

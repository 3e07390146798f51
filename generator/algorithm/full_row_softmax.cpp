#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

AttentionStages define_full_row_softmax(const AttentionTask &task) {
    AttentionStages stages;
    const BlockShape &shape = task.shape;
    Var i("i"), k("k"), c("c"), s("s");
    define_query(task, stages);

    // One kind of chunk: rows are short, so that most strips have a partial one, and a second copy of the code would not pay.
    ChunkStages &chunk = stages.partial;
    define_scores(task, stages, true, [](const Expr &, const Expr &) { return Expr(0.0f); });
    chunk.logits = Func("logits");
    chunk.logits(i, k, c, s) = hidden_logit(chunk.scores(i, k, c, s), visible_bits(task, stages, i, k, c, s));
    chunk.over_max = RDom(0, shape.block_kv, 0, task.chunks(), "over_max");
    chunk.over_max.where(chunk.over_max.y < task.visited_chunks(s));
    stages.reference = Func("row_maximum");
    stages.reference(i, s) = first_maximum;
    stages.reference(i, s) = max(stages.reference(i, s), chunk.logits(i, chunk.over_max.x, chunk.over_max.y, s));
    chunk.weights = Func("weights");
    chunk.weights(i, k, c, s) = exp2_of_difference(chunk.logits(i, k, c, s) - ceil(stages.reference(i, s)));
    define_weighted(task, stages, true);

    define_accumulator(task, stages);
    stages.partial_loop = RDom(0, task.chunks(), "chunk");
    stages.partial_loop.where(stages.partial_loop < task.visited_chunks(s));
    accumulate_chunk(task, stages, chunk, stages.partial_loop, ceil(stages.reference(i, s)));
    define_exact_result(task, stages);
    define_outputs(task, stages, ATTUNE_ROW_ONLINE);
    return stages;
}

}  // namespace attune

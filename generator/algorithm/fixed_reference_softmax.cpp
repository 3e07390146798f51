#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

AttentionStages define_fixed_reference_softmax(const AttentionTask &task) {
    AttentionStages stages;
    const BlockShape &shape = task.shape;
    Var i("i"), k("k"), c("c"), s("s");
    const Expr row = min(s * shape.strip + i, task.args.rows() - 1);
    define_query(task, stages);
    stages.reference = Func("row_reference");
    stages.reference(i, s) = task.args.reference(row);

    define_accumulator(task, stages);
    for (bool partial : {false, true}) {
        ChunkStages &chunk = partial ? stages.partial : stages.full;
        // The sum starts at -reference, which saves a subtraction an element.
        define_scores(task, stages, partial, [&](const Expr &i, const Expr &s) { return -stages.reference(i, s); });
        chunk.weights = Func(partial ? "weights_partial" : "weights_full");
        const Expr weight = exp2_bounded(chunk.scores(i, k, c, s));
        chunk.weights(i, k, c, s) = partial ? reinterpret<float>(float_bits(weight) & visible_bits(task, stages, i, k, c, s)) : weight;
        define_weighted(task, stages, partial);

        RDom &loop = partial ? stages.partial_loop : stages.full_loop;
        loop = RDom(0, task.chunks(), partial ? "partial_chunk" : "full_chunk");
        if (partial) {
            loop.where(loop >= task.full_chunks(s) && loop < task.visited_chunks(s));
        } else {
            loop.where(loop < task.full_chunks(s));
        }
        accumulate_chunk(task, stages, chunk, loop, stages.reference(i, s));
    }

    const Expr sum = row_sum(task, stages, i, s), sum_bits = float_bits(sum);
    stages.largest = Func("largest");
    RDom over_d(0, task.spec.head_dim_v, "over_largest");
    const Expr column = over_d;
    stages.largest(i, s) = 0;
    stages.largest(i, s) =
        max(stages.largest(i, s), float_bits(stages.accumulator(i, column % shape.tile_d, column / shape.tile_d, s)) & 0x7fffffff);

    // Judged on bits: positive floats order as integers, and a NaN is above the infinity.
    const Expr empty = task.visible_keys(row) <= 0;
    const Expr in_range = sum_bits > float_bits(7.9e-31f) && sum_bits < float_bits(1.2e30f) && stages.largest(i, s) < infinity_bits;
    stages.state = Func("state");
    stages.state(i, s) = select(task.args.row_class(row) == ATTUNE_ROW_FIXED && (empty || in_range), ATTUNE_ROW_FIXED, ATTUNE_ROW_ONLINE);
    stages.inverse = Func("inverse");
    stages.inverse(i, s) = select(empty, 0.0f, 1.0f / sum);
    stages.row_lse = Func("row_lse");
    const Expr lse = stages.reference(i, s) * static_cast<float>(M_LN2) + log(sum);
    stages.row_lse(i, s) = reinterpret<float>(select(empty, static_cast<int>(0xff800000u), float_bits(lse)));
    define_outputs(task, stages, ATTUNE_ROW_FIXED);
    return stages;
}

}  // namespace attune

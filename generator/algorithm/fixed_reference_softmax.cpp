#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

AttentionStages define_fixed_reference_softmax(const AttentionTask &task) {
    AttentionStages stages;
    const BlockShape &shape = task.shape;
    Var i("i"), c("c"), s("s");
    const Expr row = task.existing_row(s * shape.strip + i);
    define_query(task, stages);
    stages.reference = Func("row_reference");
    stages.reference(i, s) = task.args.reference(row);

    define_accumulator(task, stages);
    for (bool partial : {false, true}) {
        ChunkStages &chunk = partial ? stages.partial : stages.full;
        const VisitList list = visit_list(task, partial);
        // Without a score expression the sum starts at -reference, which saves a subtraction an element.
        const bool starts_at_reference = !task.spec.score && !shape.bf16_pairs;
        define_scores(task, stages, partial,
                      [&](const Expr &i, const Expr &s) { return starts_at_reference ? -stages.reference(i, s) : 0.0f; });
        const bool as_pairs = shape.bf16_pairs && !partial;
        auto weight_of = [&](const Expr &k) {
            const Expr logit = chunk_logit(task, stages, partial, i, k, c, s);
            const Expr weight = exp2(task.machine, starts_at_reference ? logit : logit - stages.reference(i, s),
                                     as_pairs && !task.spec.lse ? WeightPrecision::half : WeightPrecision::f32);
            Expr visible = partial ? chunk_visible(task, stages.rows, i, k, c, s) : Internal::const_true();
            if (task.score_hides())
                visible = visible && !hides(logit);
            return Internal::is_const_one(visible) ? weight : shown_weight(visible, weight);
        };
        if (as_pairs) {
            define_pairs_of_weights(task, stages, weight_of);
        } else {
            chunk.weights = Func(partial ? "weights_partial" : "weights_full");
            chunk.over_weights = define_elements(task, chunk.weights, partial, weight_of);
            define_weighted(task, stages, partial);
        }

        RDom &loop = partial ? stages.partial_loop : stages.full_loop;
        loop = RDom(0, list.count(), partial ? "partial_visit" : "full_visit");
        loop.where(list.visits(loop, s));
        accumulate_chunk(task, stages, chunk, loop, stages.reference(i, s));
    }

    const Expr empty = float_bits(stages.reference(i, s)) == float_bits(empty_reference);
    Expr sum = row_sum(task, stages, i, s);
    const Expr sink = task.sink(task.head(row));
    if (sink.defined())
        sum += exp2(task.machine, sink - stages.reference(i, s));
    const Expr sum_bits = float_bits(sum);
    stages.largest = Func("largest");
    RDom over_d(0, task.spec.head_dim_v, "over_largest");
    const Expr column = over_d;
    stages.largest(i, s) = 0;
    stages.largest(i, s) =
        max(stages.largest(i, s), float_bits(stages.accumulator(i, column % shape.tile_d, column / shape.tile_d, s)) & 0x7fffffff);

    // Judged on bits: positive floats order as integers, and a NaN is above the infinity.
    const Expr in_range = sum_bits > float_bits(7.9e-31f) && sum_bits < float_bits(1.2e30f) && stages.largest(i, s) < infinity_bits;
    stages.state = Func("state");
    stages.state(i, s) = select(task.args.row_class(row) == ATTUNE_ROW_FIXED && (empty || in_range), ATTUNE_ROW_FIXED, ATTUNE_ROW_ONLINE);
    stages.inverse = Func("inverse");
    stages.inverse(i, s) = select(empty, 0.0f, 1.0f / sum);
    stages.row_lse = Func("row_lse");
    const Expr lse = stages.reference(i, s) * static_cast<float>(M_LN2) + log(sum);
    const Expr of_nothing = sink.defined() ? float_bits(sink * static_cast<float>(M_LN2)) : Expr(minus_infinity_bits);
    stages.row_lse(i, s) = reinterpret<float>(select(empty, of_nothing, float_bits(lse)));
    define_outputs(task, stages, ATTUNE_ROW_FIXED);
    return stages;
}

}  // namespace attune

#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

/// The row's own key has a weight of 1, so that weights below 2^-24, which a half cannot hold, are no part of such a sum.
constexpr float smallest_half_sum = 0.5f;

/// A multiple of 1/8 near x, which is a half where |x| < 256, so that sums that start at it and the lse that ends at it mean the same; what no row of
/// fixed class has is left alone. (LLVM takes a conversion to half and back for nothing.)
Expr exact_half(const Expr &x) {
    const Expr is_small = (float_bits(x) & 0x7fffffff) < float_bits(256.0f);
    return reinterpret<float>(select(is_small, float_bits(round(x * 8.0f) * 0.125f), float_bits(x)));
}

}  // namespace

AttentionStages define_fixed_reference_softmax(const AttentionTask &task) {
    AttentionStages stages;
    const BlockShape &shape = task.shape;
    Var i("i"), c("c"), s("s");
    const Expr row = task.existing_row(s * shape.strip + i);
    define_query(task, stages);
    stages.reference = Func("row_reference");
    // Without a score expression the sum over d starts at -reference, which saves a subtraction an element.
    const bool starts_at_reference = !task.spec.score && (shape.scores == Products::f32 || shape.scores == Products::f16);
    const Expr reference = task.args.reference(row);
    stages.reference(i, s) = starts_at_reference && shape.scores == Products::f16 ? exact_half(reference) : reference;

    define_accumulator(task, stages);
    for (bool partial : {false, true}) {
        ChunkStages &chunk = partial ? stages.partial : stages.full;
        const VisitList list = visit_list(task, partial);
        define_scores(task, stages, partial,
                      [&](const Expr &i, const Expr &s) { return starts_at_reference ? -stages.reference(i, s) : 0.0f; });
        const bool as_pairs = shape.values == Products::bf16_pairs && (!partial || shape.matrix_tiles);
        const bool as_halves = shape.values == Products::f16 && !partial;
        auto weight_of = [&](const Expr &k) {
            if (as_halves && starts_at_reference)
                return exp2_f16(task.machine, chunk.scores(i, k, c, s));
            const Expr logit = chunk_logit(task, stages, partial, i, k, c, s);
            const bool rough = as_halves || (as_pairs && !task.spec.lse);
            Expr weight = exp2(task.machine, starts_at_reference ? logit : logit - stages.reference(i, s),
                               rough ? WeightPrecision::half : WeightPrecision::f32);
            if (as_halves)
                return half_of(weight);
            if (chunk.unusual_value.defined()) {
                const Expr is_unusual = chunk.unusual_value(k, c) == Expr(infinity_of_bf16);
                weight = reinterpret<float>(select(is_unusual, 0x7fc00000, float_bits(weight)));
            }
            Expr visible = partial ? chunk_visible(task, stages.rows, i, k, c, s) : Internal::const_true();
            if (task.score_hides())
                visible = visible && !hides(logit);
            return Internal::is_const_one(visible) ? weight : shown_weight(visible, weight);
        };
        if (as_pairs) {
            define_pairs_of_weights(task, stages, partial, weight_of);
        } else {
            chunk.weights = Func(partial ? "weights_partial" : "weights_full");
            chunk.over_weights = define_elements(task, chunk.weights, partial, weight_of);
            if (as_halves)
                define_half_weighted(task, stages);
            else
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
    const Expr in_range = sum_bits > float_bits(shape.values == Products::f16 ? smallest_half_sum : 7.9e-31f) &&
                          sum_bits < float_bits(1.2e30f) && stages.largest(i, s) < infinity_bits;
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

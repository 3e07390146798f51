#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

#include <cmath>

namespace attune {

using namespace Halide;

Expr relu_of_log2(const Expr &logit) {
    const Expr bits = float_bits(logit), is_nan = (bits & 0x7fffffff) > infinity_bits;
    return reinterpret<float>(select(is_nan, 0x7fc00000, bits > 0, float_bits(logit * static_cast<float>(M_LN2)), 0));
}

AttentionStages define_single_weights(const AttentionTask &task) {
    AttentionStages stages;
    Var i("i"), c("c"), s("s");
    define_query(task, stages);
    define_accumulator(task, stages);
    for (bool partial : {false, true}) {
        ChunkStages &chunk = partial ? stages.partial : stages.full;
        const VisitList list = visit_list(task, partial);
        define_scores(task, stages, partial, [](const Expr &, const Expr &) { return Expr(0.0f); });
        chunk.weights = Func(partial ? "weights_partial" : "weights_full");
        chunk.over_weights = define_elements(task, chunk.weights, partial, [&](const Expr &k) {
            const Expr logit = chunk_logit(task, stages, partial, i, k, c, s);
            const Expr is_nan = (float_bits(logit) & 0x7fffffff) > infinity_bits;
            const Expr sigmoid = 1.0f / (1.0f + exp2(task.machine, -logit));
            const Expr weight = task.spec.normalizer == Normalizer::relu
                                    ? relu_of_log2(logit)
                                    : reinterpret<float>(select(is_nan, 0x7fc00000, float_bits(sigmoid)));
            const Expr shown = !hides(logit);
            return shown_weight(partial ? chunk_visible(task, stages.rows, i, k, c, s) && shown : shown, weight);
        });
        define_weighted(task, stages, partial);
        RDom &loop = partial ? stages.partial_loop : stages.full_loop;
        loop = RDom(0, list.count(), partial ? "partial_visit" : "full_visit");
        loop.where(list.visits(loop, s));
        accumulate_chunk(task, stages, chunk, loop, 0.0f);
    }
    stages.state = Func("state");
    stages.state(i, s) = task.args.row_class(task.existing_row(s * task.shape.strip + i));
    stages.inverse = Func("inverse");
    stages.inverse(i, s) = 1.0f;
    stages.row_lse = Func("row_lse");  // there is none; kernels of this normalizer are not asked for it
    stages.row_lse(i, s) = 0.0f;
    define_outputs(task, stages, ATTUNE_ROW_ONLINE);
    return stages;
}

}  // namespace attune

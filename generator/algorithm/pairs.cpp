#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

PairsStages define_pairs(const AttentionTask &task) {
    PairsStages stages;
    Var v("v"), kv("kv"), head("folded_head"), position("position");  // "head" is a scalar of the task, and Halide goes by names
    const AttentionSpec &spec = task.spec;
    const int vector = task.shape.vector;
    stages.over_d = RDom(0, head_dim_steps(task), "pairs_d");
    stages.dot_partial = Func("dot_partial");
    stages.dot_partial(v, kv, head, position) = 0.0f;
    const Expr d = stages.over_d * vector + v;
    stages.dot_partial(v, kv, head, position) += head_dim_lane(task, d, [&](const Expr &d) { return task.args.query(d, head, position); }) *
                                                 head_dim_lane(task, d, [&](const Expr &d) { return task.args.key(d, kv); });
    const Expr sum = sum_of_lanes([&](int lane) { return stages.dot_partial(lane, kv, head, position); }, vector);

    const Expr scaled = sum * static_cast<float>(spec.softmax_scale), q = task.args.q_begin + position, h = task.args.head + head;
    auto score = [&](const ExprPtr &root) {
        if (!root)
            return scaled;
        ExpressionInputs inputs = task.inputs(q, h, kv);
        inputs.variables[Variable::s] = scaled;
        return to_halide(root, inputs);
    };
    const bool biased = spec.pairs_output == PairsOutput::logits_biased;
    const Expr logit = score(biased && spec.score ? without_soft_caps(spec.score.root) : spec.score.root);
    // Below first_maximum a score hides too; it shows as -infinity.
    const Expr shown = task.visible(q, h, kv) && !hides(logit);
    auto where_shown = [&](const Expr &x, int otherwise) { return reinterpret<float>(select(shown, float_bits(x), otherwise)); };
    Expr result = scaled;
    if (spec.pairs_output == PairsOutput::weights) {
        const Expr lse = task.args.lse(position * task.shape.fold + head);
        Expr weight = exp2_capped((logit - lse) * static_cast<float>(M_LOG2E));
        if (spec.normalizer == Normalizer::sigmoid)
            weight = 1.0f / (1.0f + exp2_capped(logit * static_cast<float>(-M_LOG2E)));
        if (spec.normalizer == Normalizer::relu)
            weight = relu_of_log2(logit * static_cast<float>(M_LOG2E));
        result = where_shown(weight, 0);
    } else if (spec.pairs_output != PairsOutput::logits_raw) {
        result = where_shown(logit, minus_infinity_bits);
    }
    stages.pairs = Func("pairs");
    stages.pairs(kv, head, position) = as_output(result, task.type());
    return stages;
}

}  // namespace attune

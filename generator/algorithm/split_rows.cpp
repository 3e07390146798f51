#include "generator/algorithm/split_rows.h"

#include "generator/algorithm/split_pieces.h"

namespace attune {

using namespace Halide;

SplitRowStages define_split_rows(const AttentionTask &task) {
    SplitRowStages stages;
    const AttentionSpec &spec = task.spec;
    const CacheRows key_rows(task, false), value_rows(task, true);
    Var i("i"), d("d"), s("s"), k("k"), c("c"), r("r"), v("v");
    const Expr row = task.existing_row(s * split_row_strip + i), q = task.position(row), h = task.head(row);
    const Expr masked = task.args.masked != 0, kv = task.args.first_key + task.existing_of_chunk(k);
    // Of a chunk with a mask no more keys are computed than it has.
    const int most_blocks = task.shape.block_kv / split_row_block;
    const Expr of_keys = (task.args.num_keys + split_row_block - 1) / split_row_block;
    const Expr blocks = unsafe_promise_clamped(select(masked, of_keys, most_blocks), 1, most_blocks);

    const Expr position = row / task.shape.fold, head = row % task.shape.fold;
    stages.query_tile = Func("query_tile");
    stages.query_tile(i, d, s) =
        rotated(task, d, position, [&](const Expr &at) { return task.args.query(at, head, position); }) * task.scale();
    stages.query = Func("query_strip");
    stages.query(i, d, s) = stages.query_tile(i, d, s);

    if (spec.dtype != DType::f32) {
        stages.key = Func("key_row");
        stages.key(d, k) = key_rows.element(d, task.existing_of_chunk(k));
        stages.value = Func("value_row");
        stages.value(d, k) = value_rows.element(d, task.existing_of_chunk(k));
    }
    auto row_of = [&](const Func &copied, const CacheRows &rows, const Expr &d, const Expr &k) {
        return copied.defined() ? Expr(copied(d, k)) : rows.element(d, task.existing_of_chunk(k));
    };

    // Sums over head_dim in the order of split_kv, whose lanes they are.
    const int vector = task.shape.vector;
    stages.over_d = RDom(0, head_dim_steps(task), "over_d");
    Expr at_d = stages.over_d * vector + v;
    if (spec.head_dim % vector != 0) {
        stages.over_d.where(at_d < spec.head_dim);
        at_d = unsafe_promise_clamped(at_d, 0, spec.head_dim - 1);
    }
    stages.lane_scores = Func("lane_scores");
    stages.lane_scores(i, v, k, s) = unknown_zero(task);
    stages.lane_scores(i, v, k, s) += stages.query(i, at_d, s) * row_of(stages.key, key_rows, at_d, k);
    stages.kept_scores = Func("kept_scores");
    auto lane_score = [&](int lane) { return stages.lane_scores(i, v * split_row_lanes + lane, k, s); };
    stages.kept_scores(i, v, k, s) = strict_float(sum_of_lanes(lane_score, split_row_lanes));
    stages.scores = Func("scores");
    auto kept_score = [&](int lanes) { return stages.kept_scores(i, lanes, k, s); };
    stages.scores(i, k, s) = strict_float(sum_of_lanes(kept_score, vector / split_row_lanes));
    stages.logits = Func("logits");
    stages.logits(i, k, s) =
        shown_logit(!masked || (k < task.args.num_keys && task.visible(q, h, kv)), task.logit(stages.scores(i, k, s), q, h, kv));

    stages.over_chains = RDom(0, blocks * (split_row_block / vector), "over_chains");
    const Expr of_chain = stages.over_chains * vector + c;
    stages.maxima = Func("maxima");
    stages.maxima(i, c, s) = first_maximum;
    stages.maxima(i, c, s) = max(stages.maxima(i, c, s), stages.logits(i, of_chain, s));
    stages.maximum = Func("maximum");
    stages.maximum(i, s) = ceil(largest_of_lanes([&](int chain) { return stages.maxima(i, chain, s); }, vector));
    const Expr logit = stages.logits(i, k, s);
    stages.weights = Func("weights");
    stages.weights(i, k, s) = shown_weight(float_bits(logit) != float_bits(hidden_score), exp2_of_difference(logit - stages.maximum(i, s)));
    stages.sums = Func("sums");
    stages.sums(i, c, s) = 0.0f;
    stages.sums(i, c, s) += stages.weights(i, of_chain, s);

    // A hidden weight would meet a value that may be a NaN: its update is left out, where any is hidden.
    stages.over_k = RDom(0, split_row_block, 0, blocks, "over_k");
    const Expr at_k = stages.over_k.y * split_row_block + stages.over_k.x;
    const Expr weight = stages.weights(r % split_row_strip, at_k, r / split_row_strip);
    const Expr all_shown = task.score_hides() ? Internal::const_false() : !masked;
    stages.weighted = Func("weighted");
    stages.weighted(d, r) = 0.0f;
    const Expr sum = stages.weighted(d, r), next = sum + weight * row_of(stages.value, value_rows, d, at_k);
    stages.weighted(d, r) = select(all_shown || is_shown(weight), next, sum);

    stages.part = define_part(
        task, [&](const Expr &column, const Expr &r) { return stages.weighted(column, r); },
        [&](const Expr &r) {
            return strict_float(
                sum_of_lanes([&](int chain) { return stages.sums(r % split_row_strip, chain, r / split_row_strip); }, vector));
        },
        [&](const Expr &r) { return stages.maximum(r % split_row_strip, r / split_row_strip); });
    return stages;
}

}  // namespace attune

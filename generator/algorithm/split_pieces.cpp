#include "generator/algorithm/split_pieces.h"

#include "attune/kernel.h"

namespace attune {

using namespace Halide;

Expr unknown_zero(const AttentionTask &task) {
    return cast<float>(min(task.args.num_positions, 0));
}

Expr rounded_to_bf16(const Expr &x) {
    return (reinterpret<uint32_t>(x) + Expr(0x8000u)) & Expr(0xffff0000u);
}

void define_split_query(const AttentionTask &task, SplitStages &stages) {
    Var d("d"), r("r");
    const Expr position = task.existing_row(r) / task.shape.fold, head = task.existing_row(r) % task.shape.fold;
    auto stored = [&](const Expr &element) { return task.args.query(element, head, position); };
    stages.query = Func("query_row");
    stages.query(d, r) = head_dim_lane(task, d, [&](const Expr &at) { return rotated(task, at, position, stored); }) * task.scale();
}

void define_query_scale(const AttentionTask &task, SplitStages &stages, float most) {
    Var r("r");
    stages.over_row = RDom(0, task.spec.head_dim, "over_row");
    stages.query_largest = Func("query_largest");
    stages.query_largest(r) = 0;
    stages.query_largest(r) = max(stages.query_largest(r), float_bits(stages.query(stages.over_row, r)) & 0x7fffffff);
    stages.query_scale = Func("query_scale");
    stages.query_scale(r) = reinterpret<float>(stages.query_largest(r)) / most;
}

Expr query_integer(const SplitStages &stages, float most, const Expr &d, const Expr &r) {
    const Expr scaled = select(stages.query_largest(r) == 0, 0.0f, stages.query(d, r) / stages.query_scale(r));
    return clamp(round(scaled), -most, most);
}

Expr split_key_steps(const AttentionTask &task) {
    const int all = task.shape.block_kv / ATTUNE_SPLIT_KEY_STEP;
    const Expr of_keys = (task.args.num_keys + ATTUNE_SPLIT_KEY_STEP - 1) / ATTUNE_SPLIT_KEY_STEP;
    return unsafe_promise_clamped(select(task.args.masked != 0, of_keys, all), 1, all);
}

Expr listed_key(const AttentionTask &task, const Expr &k) {
    const Expr existing = min(k, split_key_steps(task) * ATTUNE_SPLIT_KEY_STEP - 1);
    return unsafe_promise_clamped(select(task.args.masked != 0, existing, k), 0, task.shape.block_kv - 1);
}

Expr element_in_place(const AttentionTask &task, const ImageParam &rows, const Expr &d, const Expr &k) {
    return rows(d, unsafe_promise_clamped(task.args.first_key + k, 0, task.args.seq_len_kv - 1));
}

void define_split_weights(const AttentionTask &task, SplitStages &stages, const Expr &product) {
    const int vector = task.shape.vector;
    const CacheRows values(task, true);
    Var v("v"), g("g"), k("k"), r("r");
    const Expr row = task.existing_row(r), q = task.position(row), h = task.head(row);
    const Expr masked = task.args.masked != 0, kv = task.args.first_key + task.existing_of_chunk(k);
    const Expr logit = task.logit(product, q, h, kv);
    const Expr visible = !masked || (k < task.args.num_keys && task.visible(q, h, kv));
    stages.logits = Func("logits");
    stages.logits(k, r) = shown_logit(visible, logit);

    stages.over_keys = RDom(0, split_key_steps(task) * (ATTUNE_SPLIT_KEY_STEP / vector), "over_keys");
    const Expr at_key = stages.over_keys * vector + v;
    stages.lane_maximum = Func("lane_maximum");
    stages.lane_maximum(v, r) = first_maximum;
    stages.lane_maximum(v, r) = max(stages.lane_maximum(v, r), stages.logits(at_key, r));
    stages.maximum = Func("maximum");
    stages.maximum(r) = ceil(largest_of_lanes([&](int lane) { return stages.lane_maximum(lane, r); }, vector));
    stages.weights = Func("weights");
    const Expr difference = stages.logits(k, r) - stages.maximum(r);
    const Expr weight = task.shape.matrix_tiles ? exp2(task.machine, difference) : exp2_of_difference(difference);
    stages.weights(k, r) = shown_weight(float_bits(stages.logits(k, r)) != float_bits(hidden_score), weight);
    stages.lane_sums = Func("lane_sums");
    stages.lane_sums(v, r) = 0.0f;
    stages.lane_sums(v, r) += stages.weights(at_key, r);
    if (values.has_scales()) {
        stages.scaled = Func("scaled_weights");
        stages.scaled(g, k, r) = stages.weights(k, r) * values.scale(g, k);
    }
}

Expr is_shown(const Expr &weight) {
    return reinterpret<uint32_t>(weight) < Expr(0x7fffffffu);
}

void define_split_part(const AttentionTask &task, SplitStages &stages) {
    const int vector = task.shape.vector;
    stages.part = define_part(
        task, [&](const Expr &column, const Expr &r) { return stages.weighted(column, r); },
        [&](const Expr &r) { return strict_float(sum_of_lanes([&](int lane) { return stages.lane_sums(lane, r); }, vector)); },
        [&](const Expr &r) { return stages.maximum(r); });
}

Func define_part(const AttentionTask &task, const std::function<Expr(Expr, Expr)> &weighted, const std::function<Expr(Expr)> &sum,
                 const std::function<Expr(Expr)> &maximum) {
    const int vector = task.shape.vector, columns = split_value_columns(task.spec, vector);
    Var column("column"), r("r");
    Func part("part");
    part(column, r) =
        select(column < columns, likely(weighted(min(column, columns - 1), r)), select(column == columns, sum(r), maximum(r)));
    part.output_buffer().dim(0).set_bounds(0, columns + vector).dim(1).set_min(0).set_stride(columns + vector);
    return part;
}

}  // namespace attune

#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

int split_value_columns(const AttentionSpec &spec, int vector) {
    return (spec.head_dim_v + vector - 1) / vector * vector;
}

int split_lanes(const AttentionTask &task) {
    const int vector = task.shape.vector;
    for (int vectors : {4, 2})
        if (task.shape.fold == 1 && task.spec.head_dim % (vectors * vector) == 0)
            return vectors * vector;
    return vector;
}

SplitStages define_split_kv(const AttentionTask &task) {
    SplitStages stages;
    const AttentionSpec &spec = task.spec;
    const int vector = task.shape.vector, lanes = split_lanes(task), keys = task.shape.block_kv;
    Var v("v"), d("d"), k("k"), r("r"), column("column");
    const Expr row = task.existing_row(r), q = task.position(row), h = task.head(row);
    const Expr masked = task.args.masked != 0;
    const Expr kv = task.args.first_key + k, last = task.args.seq_len_kv - 1;
    auto existing = [&](const Expr &key) { return unsafe_promise_clamped(select(masked, min(key, last), key), 0, last); };

    stages.query = Func("query_row");
    stages.query(d, r) =
        head_dim_lane(task, d, [&](const Expr &at) { return task.args.query(at, row % task.shape.fold, row / task.shape.fold); }) *
        task.scale();
    stages.over_d = RDom(0, (spec.head_dim + lanes - 1) / lanes, "over_d");
    const Expr at_d = stages.over_d * lanes + v;
    stages.key = Func("key_row");
    stages.key(d, k) = head_dim_lane(task, d, [&](const Expr &at) { return task.args.key(at, existing(kv)); });
    stages.dots = Func("dots");
    // A zero that no compiler knows of. From 0 the first two products of a short sum would be added to each other, and which of them keeps its own
    // rounding would differ between chunks that ask a mask and those that do not: a row would lose its bits.
    stages.dots(v, k, r) = cast<float>(min(task.args.num_positions, 0));
    stages.dots(v, k, r) += stages.query(at_d, r) * stages.key(at_d, k);
    // Strict for the same reason: LLVM would make one chain of them.
    stages.turned = Func("turned_dots");
    stages.turned(v, k, r) = strict_float(sum_of_lanes([&](int part) { return stages.dots(v + part * vector, k, r); }, lanes / vector));

    stages.over_lanes = RDom(0, vector, "over_lanes");
    stages.products = Func("products");
    stages.products(k, r) = 0.0f;
    stages.products(k, r) += stages.turned(stages.over_lanes, k, r);
    const Expr logit = task.logit(stages.products(k, r), q, h, existing(kv));
    const Expr visible = !masked || (kv < task.args.seq_len_kv && task.visible(q, h, kv));
    stages.logits = Func("logits");
    stages.logits(k, r) = shown_logit(visible, logit);

    stages.over_keys = RDom(0, keys / vector, "over_keys");
    const Expr at_key = stages.over_keys * vector + v;
    stages.lane_maximum = Func("lane_maximum");
    stages.lane_maximum(v, r) = first_maximum;
    stages.lane_maximum(v, r) = max(stages.lane_maximum(v, r), stages.logits(at_key, r));
    stages.maximum = Func("maximum");
    stages.maximum(r) = ceil(largest_of_lanes([&](int lane) { return stages.lane_maximum(lane, r); }, vector));
    stages.weights = Func("weights");
    const Expr weight = exp2_of_difference(stages.logits(k, r) - stages.maximum(r));
    stages.weights(k, r) = shown_weight(float_bits(stages.logits(k, r)) != float_bits(hidden_score), weight);
    stages.lane_sums = Func("lane_sums");
    stages.lane_sums(v, r) = 0.0f;
    stages.lane_sums(v, r) += stages.weights(at_key, r);

    // A hidden weight would meet a value that may be a NaN: its update is left out, where any is hidden.
    stages.over_k = RDom(0, keys, "over_k");
    const Expr of_key = stages.weights(stages.over_k, r);
    stages.value = Func("value_row");
    stages.value(d, k) = cast<float>(task.args.value(min(d, spec.head_dim_v - 1), existing(kv)));
    const Expr all_shown = task.score_hides() ? Internal::const_false() : !masked;
    stages.weighted = Func("weighted");
    stages.weighted(d, r) = 0.0f;
    const Expr sum = stages.weighted(d, r), next = sum + of_key * stages.value(d, stages.over_k);
    stages.weighted(d, r) = select(all_shown || reinterpret<uint32_t>(of_key) < Expr(0x7fffffffu), next, sum);

    const int columns = split_value_columns(spec, vector);
    const Expr sums = sum_of_lanes([&](int lane) { return stages.lane_sums(lane, r); }, vector);
    stages.part = Func("part");
    stages.part(column, r) =
        select(column < columns, likely(stages.weighted(min(column, columns - 1), r)), select(column == columns, sums, stages.maximum(r)));
    stages.part.output_buffer().dim(0).set_bounds(0, columns + vector).dim(1).set_min(0).set_stride(columns + vector);
    return stages;
}

CombineStages define_combine(const AttentionTask &task) {
    CombineStages stages;
    const int columns = split_value_columns(task.spec, task.shape.vector), fold = task.shape.fold;
    Var row("row"), d("d"), head("folded_head"), position("position");
    const ImageParam &parts = task.args.parts;
    RDom over_parts(0, parts.dim(2).extent(), "over_parts");
    auto sum_at = [&](const Expr &r, const Expr &part) { return parts(columns, r, part); };
    auto maximum_at = [&](const Expr &r, const Expr &part) { return parts(columns + 1, r, part); };

    stages.maximum = Func("maximum");
    stages.maximum(row) = first_maximum;
    stages.maximum(row) = max(stages.maximum(row), maximum_at(row, over_parts));
    Expr larger = stages.maximum(row);
    const Expr sink = task.sink(task.head(row));
    if (sink.defined())
        larger = max(larger, ceil(max(sink, hidden_score)));
    stages.reference = Func("reference");
    stages.reference(row) = larger;
    // Maxima are integers: scaling by their difference is exact. A NaN stays in the part's sum.
    auto scale = [&](const Expr &r, const Expr &part) { return exp2_integer(maximum_at(r, part) - stages.reference(r)); };
    stages.sum = Func("sum");
    stages.sum(row) = sink.defined() ? exp2_capped(sink - stages.reference(row)) : Expr(0.0f);
    stages.sum(row) += sum_at(row, over_parts) * scale(row, over_parts);
    stages.accumulator = Func("accumulator");
    stages.accumulator(d, row) = 0.0f;
    stages.accumulator(d, row) += parts(d, row, over_parts) * scale(row, over_parts);

    const Expr sum = stages.sum(row);
    stages.inverse = Func("inverse");
    stages.inverse(row) = select(float_bits(sum) == 0, 0.0f, 1.0f / sum);
    const Expr of_row = position * fold + head;
    stages.output = Func("output");
    stages.output(d, head, position) = as_output(stages.accumulator(d, of_row) * stages.inverse(of_row), task.type());
    stages.lse = Func("lse");
    stages.lse(row) = lse_of_sum(stages.reference(row), sum);
    return stages;
}

}  // namespace attune

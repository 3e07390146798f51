#include "generator/algorithm/device_combine.h"
#include "generator/gpu/markers.h"

namespace attune {

using namespace Halide;

DeviceCombine::DeviceCombine(const AttentionSpec &spec, const DeviceBlock &block, const DeviceOperations &operations)
    : DeviceBlocks(spec, {.block_q = block.block_q, .block_kv = block.block_kv, .fold = block.fold}, operations), block_q(block.block_q),
      split_keys(block.split_keys), parts(Float(32), 4, "parts") {
    parts.dim(0).set_bounds(0, part_columns(spec));
    for (int d = 1; d < 4; d++)
        parts.dim(d).set_min(0);
}

DeviceCombineStages DeviceCombine::define() const {
    DeviceCombineStages stages;
    Var d("d"), r("r"), head("folded_head"), position("position"), hb("hb"), b("b");
    const Place at = place(0, hb, b);
    const Expr all = num_parts(args.seq_len_kv, split_keys);
    auto part = [&](const Expr &column, const Expr &r, const Expr &p) {
        return parts(column, (r / block_q * all + p) * block_q + r % block_q, hb, b);
    };
    auto maximum_of = [&](const Expr &r, const Expr &p) { return part(part_values(spec), r, p); };
    RDom over_maxima(0, all, "over_maxima"), over_sums(0, all, "over_sums"), over_values(0, all, "over_values");

    stages.maximum = Func("maximum");
    stages.maximum(r, hb, b) = first_maximum;
    stages.maximum(r, hb, b) = max(stages.maximum(r, hb, b), maximum_of(r, over_maxima));
    const Expr sink = sink_of(at, head_of(at, r));
    const Expr reference = sink.defined() ? max(stages.maximum(r, hb, b), max(sink, hidden_score)) : stages.maximum(r, hb, b);

    stages.sum = Func("sum");
    stages.sum(r, hb, b) = sink.defined() ? exp2(sink - reference) : Expr(0.0f);
    stages.sum(r, hb, b) += part(part_values(spec) + 1, r, over_sums) * exp2(maximum_of(r, over_sums) - reference);
    stages.accumulator = Func("accumulator");
    stages.accumulator(d, r, hb, b) = 0.0f;
    stages.accumulator(d, r, hb, b) += part(d, r, over_values) * exp2(maximum_of(r, over_values) - reference);

    const Expr sum = stages.sum(r, hb, b), minus_infinity = reinterpret<float>(Expr(int(minus_infinity_bits)));
    stages.row_lse = Func("row_lse");
    const Expr lse = select(r < rows_in_use(at), lse_of_sum(reference, sum), minus_infinity);
    stages.row_lse(d, r, hb, b) = spec.lse ? stored_too(lse, args.lse(head_in_fold(r), packed_row(at, position_of(r)), hb, b),
                                                        d == 0 && r < rows_written(at) && args.writes_lse != 0)
                                           : lse;

    stages.output = Func("output");
    const Expr row = position * block.fold + head, row_sum = stages.sum(row, hb, b);
    const Expr normalised = stages.accumulator(d, row, hb, b) * select(float_bits(row_sum) == 0, 0.0f, 1.0f / row_sum);
    const Expr result = stored(select(position < at.length_q, normalised, 0.0f));
    stages.output(d, head, position, hb, b) =
        stored_later(spec.lse ? after(result, stages.row_lse(d, row, hb, b)) : result, at.first_q, row < rows_written(at));
    return stages;
}

}  // namespace attune

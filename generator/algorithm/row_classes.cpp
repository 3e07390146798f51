#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

/// |score| <= |query| |key| scale. Rows whose bound (log2 units) is at most this start with the fixed reference: scores of
/// N(0, 1) inputs times 3 stay inside with every row right, and aligned vectors, which reach the bound, are caught by the guard
/// on the row sum. N(0, 1): 21 at head_dim 64, 42 at 512.
constexpr float largest_fixed_bound = 192.0f;

Expr sum_of_lanes(const std::function<Expr(int)> &lane, int lanes) {
    std::vector<Expr> sums;
    for (int v = 0; v < lanes; v++)
        sums.push_back(lane(v));
    while (sums.size() > 1) {
        for (size_t v = 0; v < sums.size() / 2; v++)
            sums[v] = sums[2 * v] + sums[2 * v + 1];
        sums.resize(sums.size() / 2);
    }
    return sums[0];
}

}  // namespace

RowClassStages define_row_classes(const AttentionTask &task) {
    RowClassStages stages;
    Var v("v"), kv("kv"), row("row");
    const int vector = task.shape.vector, head_dim = task.spec.head_dim;
    const bool padded = head_dim % vector != 0;
    const int steps = (head_dim + vector - 1) / vector;
    auto tensor = [&](const ImageParam &t, const Expr &d, const Expr &index) {
        const Expr x = cast<float>(t(padded ? min(d, head_dim - 1) : d, index));
        return padded ? select(d < head_dim, x, 0.0f) : x;
    };

    stages.key_d = RDom(0, steps, "key_d");
    stages.key_partial = Func("key_partial");
    stages.key_partial(v, kv) = 0.0f;
    const Expr key = tensor(task.args.key, stages.key_d * vector + v, kv);
    stages.key_partial(v, kv) += key * key;
    // As bits, so that a NaN counts as larger than everything.
    auto square = [&](const Expr &at) {
        return float_bits(sum_of_lanes([&](int lane) { return stages.key_partial(lane, at); }, vector)) & 0x7fffffff;
    };
    stages.key_scan = RDom(0, task.args.key.dim(1).extent(), "key_scan");
    const Expr at = stages.key_scan;
    stages.key_bound = Func("key_bound_result");
    stages.key_bound(kv) = undef<float>();
    const Expr before = select(at > 0, float_bits(stages.key_bound(max(at - 1, 0))), 0);
    stages.key_bound(at) = reinterpret<float>(max(before, square(at)));

    const Expr visible = task.visible_keys(row), last = max(visible, 1) - 1, q = task.args.q_begin + row;
    const Expr own_position = task.spec.mask == Mask::causal_top_left ? q : q + task.args.seq_len_kv - task.args.seq_len_q;
    const Expr own = clamp(clamp(own_position, 0, last), 0, task.args.seq_len_kv - 1);
    stages.row_d = RDom(0, steps, "row_d");
    stages.row_partial = Func("row_partial");
    stages.row_partial(v, row) = Tuple(0.0f, 0.0f);
    const Expr d = stages.row_d * vector + v;
    const Expr query = tensor(task.args.query, d, row), own_key = tensor(task.args.key, d, own);
    stages.row_partial(v, row) = Tuple(stages.row_partial(v, row)[0] + query * own_key, stages.row_partial(v, row)[1] + query * query);
    const Expr score = sum_of_lanes([&](int lane) { return stages.row_partial(lane, row)[0]; }, vector) * task.scale_log2();
    const Expr square_bound = sum_of_lanes([&](int lane) { return stages.row_partial(lane, row)[1]; }, vector) *
                              task.args.key_bound(min(last, task.args.seq_len_kv - 1)) * (task.scale_log2() * task.scale_log2());
    const Expr bound_bits = float_bits(square_bound) & 0x7fffffff;
    // A row that sees nothing is nobody's problem: it must not read key 0, which may be hidden from it.
    const Expr fixed = visible <= 0 || bound_bits <= float_bits(largest_fixed_bound * largest_fixed_bound);
    stages.reference = Func("reference_result");
    stages.reference(row) = reinterpret<float>(select(visible <= 0 || !fixed, 0, float_bits(score)));
    stages.row_class = Func("row_class_result");
    stages.row_class(row) = select(fixed, ATTUNE_ROW_FIXED, ATTUNE_ROW_ONLINE);
    return stages;
}

}  // namespace attune

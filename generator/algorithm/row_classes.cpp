#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

#include <numeric>

namespace attune {

using namespace Halide;

namespace {

/// |score| <= |query| |key| scale. Rows whose bound (log2 units) is at most this start with the fixed reference: scores of
/// N(0, 1) inputs times 3 stay inside with every row right, and aligned vectors, which reach the bound, are caught by the guard
/// on the row sum. N(0, 1): 21 at head_dim 64, 42 at 512. A score expression is not looked at: the guard judges what it makes.
constexpr float largest_fixed_bound = 192.0f;

}  // namespace

KeyNormStages define_key_norms(const AttentionTask &task) {
    KeyNormStages stages;
    Var v("v"), kv("kv");
    const int vector = task.shape.vector;
    stages.over_d = RDom(0, head_dim_steps(task), "key_d");
    stages.partial = Func("key_partial");
    stages.partial(v, kv) = 0.0f;
    const Expr key = head_dim_lane(task, stages.over_d * vector + v, [&](const Expr &d) { return task.args.key(d, kv); });
    stages.partial(v, kv) += key * key;
    stages.norms = Func("norms");
    stages.norms(kv) = sum_of_lanes([&](int lane) { return stages.partial(lane, kv); }, vector);
    return stages;
}

RowClassStages define_row_classes(const AttentionTask &task) {
    RowClassStages stages;
    Var v("v"), i("i"), s("s"), c("c"), row("row");
    const BlockShape &shape = task.shape;
    const int vector = shape.vector, lanes = std::gcd(shape.block_kv, vector);
    const VisitList full = visit_list(task, false), partial = visit_list(task, true);
    // As bits, so that a NaN counts as larger than everything.
    auto norm_bits = [&](const Expr &kv) { return float_bits(task.args.key_norms(kv)) & 0x7fffffff; };

    stages.over_chunk = RDom(0, shape.block_kv / lanes, "over_chunk");
    stages.chunk_norm = Func("chunk_norm");
    stages.chunk_norm(v, c) = 0;
    const Expr of_chunk = task.existing_key(full.kv(stages.over_chunk * lanes + v, c), false);
    stages.chunk_norm(v, c) = max(stages.chunk_norm(v, c), norm_bits(of_chunk));
    stages.over_full = RDom(0, full.count(), "over_full");
    stages.over_full.where(full.visits(stages.over_full, s));
    stages.full_norm = Func("full_norm");
    stages.full_norm(v, s) = 0;
    stages.full_norm(v, s) = max(stages.full_norm(v, s), stages.chunk_norm(v, stages.over_full));
    stages.full_largest = Func("full_largest");
    stages.full_largest(s) = 0;
    stages.over_lanes = RDom(0, lanes, "over_lanes");
    stages.full_largest(s) = max(stages.full_largest(s), stages.full_norm(stages.over_lanes, s));
    stages.full_last = Func("full_last");
    stages.full_last(s) = -1;
    stages.full_last(s) = max(stages.full_last(s), full.kv(shape.block_kv - 1, stages.over_full));

    // Rows of a strip in lanes, keys one by one: the mask decides for each pair, as in the softmax.
    stages.rows = define_rows(task);
    stages.over_partial = RDom(0, shape.tile_kv, 0, shape.tiles(), 0, partial.count(), "over_partial");
    const RVar k = stages.over_partial.x, tile = stages.over_partial.y, visit = stages.over_partial.z;
    stages.over_partial.where(partial.visits(visit, s) && partial.holds_tile(tile, visit, s));
    const Expr in_chunk = tile * shape.tile_kv + k, kv = partial.kv(in_chunk, visit);
    const Expr visible = chunk_visible(task, stages.rows, i, in_chunk, visit, s);
    stages.seen = Func("seen");
    stages.seen(i, s) = Tuple(stages.full_largest(s), stages.full_last(s));
    const Expr largest = stages.seen(i, s)[0], latest = stages.seen(i, s)[1];
    stages.seen(i, s) =
        Tuple(max(largest, select(visible, norm_bits(task.existing_key(kv, true)), 0)), max(latest, select(visible, kv, -1)));

    // The row's own key where it sees it, else the last that it sees: never a hidden one, which may be a NaN.
    const Expr q = task.position(row), h = task.head(row), last = stages.seen(row % shape.strip, row / shape.strip)[1];
    const Expr own = clamp(q + task.args.seq_len_kv - task.args.seq_len_q, 0, task.args.seq_len_kv - 1);
    stages.own = Func("own");
    Expr sees_own = task.visible(q, h, own);
    if (task.spec.block_mask)
        sees_own = Internal::const_false();  // the lists decide, and the last key is as good
    stages.own(row) = select(last >= 0 && sees_own, own, last);
    const Expr existing_own = clamp(stages.own(row), 0, task.args.seq_len_kv - 1);

    stages.over_d = RDom(0, head_dim_steps(task), "row_d");
    stages.row_partial = Func("row_partial");
    stages.row_partial(v, row) = Tuple(0.0f, 0.0f);
    const Expr d = stages.over_d * vector + v;
    const Expr query = head_dim_lane(task, d, [&](const Expr &d) { return task.args.query(d, row % shape.fold, row / shape.fold); });
    const Expr own_key = head_dim_lane(task, d, [&](const Expr &d) { return task.args.key(d, existing_own); });
    stages.row_partial(v, row) = Tuple(stages.row_partial(v, row)[0] + query * own_key, stages.row_partial(v, row)[1] + query * query);
    const Expr product = sum_of_lanes([&](int lane) { return stages.row_partial(lane, row)[0]; }, vector) * task.scale();
    const Expr logit = task.logit(product, q, h, existing_own);
    const float scale = static_cast<float>(task.spec.softmax_scale * M_LOG2E);
    const Expr square_bound = sum_of_lanes([&](int lane) { return stages.row_partial(lane, row)[1]; }, vector) *
                              reinterpret<float>(stages.seen(row % shape.strip, row / shape.strip)[0]) * (scale * scale);
    const Expr bound_bits = float_bits(square_bound) & 0x7fffffff;
    const Expr empty = stages.own(row) < 0;
    const Expr is_finite = (float_bits(logit) & 0x7fffffff) < float_bits(-first_maximum);
    const Expr fixed = empty || (bound_bits <= float_bits(largest_fixed_bound * largest_fixed_bound) && is_finite);
    stages.result = Func("row_class_result");
    stages.result(row) = Tuple(reinterpret<float>(select(empty, float_bits(empty_reference), fixed, float_bits(logit), 0)),
                               select(fixed, ATTUNE_ROW_FIXED, ATTUNE_ROW_ONLINE));
    return stages;
}

}  // namespace attune

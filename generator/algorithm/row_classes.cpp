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

/// Rows whose bound is at most this have no logit worth taking as the reference: weights of 2^-64 to 2^64 are as good beside 0.
constexpr float largest_zero_bound = 64.0f;

/// Not where a score may move logits from 0, nor where weights are halves, which hold 2^16 at most.
bool takes_zero(const AttentionSpec &spec) {
    return !spec.score && spec.compute_dtype != ComputeDType::f16;
}

/// As bits, so that a NaN counts as larger than everything.
Expr norm_bits(const AttentionTask &task, const Expr &kv) {
    return float_bits(task.args.key_norms(kv)) & 0x7fffffff;
}

/// Keys after the last count as that.
WholeChunks whole_chunks(const AttentionTask &task, bool partial) {
    WholeChunks chunks;
    Var v("v"), s("s"), c("c");
    const VisitList list = visit_list(task, partial);
    const int block_kv = task.shape.block_kv, lanes = std::gcd(block_kv, task.shape.vector);
    const std::string suffix = partial ? "_partial" : "_full";
    chunks.over_chunk = RDom(0, block_kv / lanes, "over_chunk" + suffix);
    chunks.chunk_norm = Func("chunk_norm" + suffix);
    chunks.chunk_norm(v, c) = 0;
    const Expr key = task.existing_key(list.kv(chunks.over_chunk * lanes + v, c), partial);
    chunks.chunk_norm(v, c) = max(chunks.chunk_norm(v, c), norm_bits(task, key));
    chunks.over_visits = RDom(0, list.count(), "over" + suffix);
    chunks.over_visits.where(list.visits(chunks.over_visits, s));
    chunks.norm = Func("norm" + suffix);
    chunks.norm(v, s) = 0;
    chunks.norm(v, s) = max(chunks.norm(v, s), chunks.chunk_norm(v, chunks.over_visits));
    chunks.largest = Func("largest" + suffix);
    chunks.largest(s) = 0;
    chunks.over_lanes = RDom(0, lanes, "over_lanes" + suffix);
    chunks.largest(s) = max(chunks.largest(s), chunks.norm(chunks.over_lanes, s));
    chunks.last = Func("last" + suffix);
    chunks.last(s) = -1;
    chunks.last(s) = max(chunks.last(s), task.existing_key(list.kv(block_kv - 1, chunks.over_visits), partial));
    return chunks;
}

}  // namespace

KeyNormStages define_key_norms(const AttentionTask &task) {
    KeyNormStages stages;
    Var v("v"), kv("kv");
    const int vector = task.shape.vector;
    stages.over_d = RDom(0, head_dim_steps(task), "key_d");
    stages.partial = Func("key_partial");
    stages.partial(v, kv) = 0.0f;
    const Expr existing = min(kv, task.args.key.dim(1).max());
    const Expr key = head_dim_lane(task, stages.over_d * vector + v, [&](const Expr &d) { return task.args.key(d, existing); });
    stages.partial(v, kv) += key * key;
    stages.over_lanes = RDom(0, vector, "key_lane");
    stages.sums = Func("key_sums");
    stages.sums(kv) = 0.0f;
    stages.sums(kv) += stages.partial(stages.over_lanes, kv);
    stages.norms = Func("norms");
    stages.norms(kv) = stages.sums(kv);
    return stages;
}

RowClassStages define_row_classes(const AttentionTask &task) {
    RowClassStages stages;
    Var v("v"), i("i"), s("s"), p("p"), member("member"), row("row");
    const BlockShape &shape = task.shape;
    const int vector = shape.vector;
    const bool key_by_key = task.spec.mask || task.spec.block_mask;
    for (const bool partial : {false, true})
        if (!partial || !key_by_key)
            stages.whole.push_back(whole_chunks(task, partial));
    auto of_all = [&](const std::function<Expr(const WholeChunks &)> &value) {
        const Expr of_full = value(stages.whole[0]);
        return key_by_key ? of_full : max(of_full, value(stages.whole[1]));
    };
    stages.rows = define_rows(task);
    stages.seen = Func("seen");
    stages.seen(i, s) = Tuple(of_all([&](const WholeChunks &chunks) { return chunks.largest(s); }),
                              of_all([&](const WholeChunks &chunks) { return chunks.last(s); }));
    if (key_by_key) {
        // Rows of a strip in lanes, keys one by one: the mask decides for each pair, as in the softmax.
        const VisitList partial = visit_list(task, true);
        stages.over_partial = RDom(0, shape.tile_kv, 0, shape.tiles(), 0, partial.count(), "over_partial");
        const RVar k = stages.over_partial.x, tile = stages.over_partial.y, visit = stages.over_partial.z;
        stages.over_partial.where(partial.visits(visit, s) && partial.holds_tile(tile, visit, s));
        const Expr in_chunk = tile * shape.tile_kv + k, kv = partial.kv(in_chunk, visit);
        const Expr visible = chunk_visible(task, stages.rows, i, in_chunk, visit, s);
        const Expr largest = stages.seen(i, s)[0], latest = stages.seen(i, s)[1];
        stages.seen(i, s) =
            Tuple(max(largest, select(visible, norm_bits(task, task.existing_key(kv, true)), 0)), max(latest, select(visible, kv, -1)));
    }

    const Expr position = min(p, task.args.num_positions - 1), at = position * shape.fold + member;
    const Expr q = task.position(at), h = task.head(at);
    auto seen = [&](int which) { return stages.seen(at % shape.strip, at / shape.strip)[which]; };
    const Expr last = seen(1);
    auto query = [&](const Expr &d) { return task.args.query(d, member, position); };

    stages.over_d = RDom(0, head_dim_steps(task), "row_d");
    stages.over_lanes = RDom(0, vector, "row_lane");
    const Expr d = stages.over_d * vector + v, element = head_dim_lane(task, d, query);
    stages.partial = Func("row_partial");
    stages.partial(v, p, member) = 0.0f;
    stages.partial(v, p, member) += element * element;
    stages.squares = Func("row_squares");
    stages.squares(p, member) = 0.0f;
    stages.squares(p, member) += stages.partial(stages.over_lanes, p, member);
    stages.squares.compute_root();  // in no schedule: Halide 21 cannot inline a reduction into a predicate
    const float scale = static_cast<float>(task.spec.softmax_scale * M_LOG2E);
    const Expr square_bound = stages.squares(p, member) * reinterpret<float>(seen(0)) * (scale * scale);
    auto is_within = [&](float bound) { return (float_bits(square_bound) & 0x7fffffff) <= float_bits(bound * bound); };
    const Expr is_near_zero = is_within(largest_zero_bound) && takes_zero(task.spec);

    // The row's own key where it sees it, else the last that it sees: never a hidden one, which may be a NaN. One turn, or none.
    stages.over_own = RDom(0, 1, "over_own");
    stages.over_own.where(!is_near_zero);
    const Expr own = clamp(q + task.args.seq_len_kv - task.args.seq_len_q, 0, task.args.seq_len_kv - 1);
    Expr sees_own = task.visible(q, h, own);
    if (task.spec.block_mask)
        sees_own = Internal::const_false();  // the lists decide, and the last key is as good
    stages.own = Func("own");
    stages.own(p, member) = clamp(select(last >= 0 && sees_own, own, last), 0, task.args.seq_len_kv - 1);
    const Expr key = stages.own(p, member);
    stages.own_partial = Func("own_partial");
    stages.own_partial(v, p, member) = 0.0f;
    stages.own_partial(v, p, member) += element * head_dim_lane(task, d, [&](const Expr &d) { return task.args.key(d, key); });
    const Expr product = sum_of_lanes([&](int lane) { return stages.own_partial(lane, p, member); }, vector) * task.scale();
    stages.logit = Func("own_logit");
    stages.logit(p, member) = 0.0f;
    stages.logit(p, member) += select(stages.over_own == 0, task.logit(product, q, h, key), 0.0f);

    const Expr logit = stages.logit(p, member), empty = last < 0;
    const Expr is_finite = (float_bits(logit) & 0x7fffffff) < float_bits(-first_maximum);
    const Expr fixed = empty || (is_within(largest_fixed_bound) && is_finite);
    stages.some = Func("some_row_classes");
    stages.some(p, member) = Tuple(reinterpret<float>(select(empty, float_bits(empty_reference), fixed, float_bits(logit), 0)),
                                   select(fixed, ATTUNE_ROW_FIXED, ATTUNE_ROW_ONLINE));
    stages.result = Func("row_class_result");
    const FuncRef of_row = stages.some(row / shape.fold, row % shape.fold);
    stages.result(row) = Tuple(of_row[0], of_row[1]);
    stages.result.output_buffers()[0].dim(0).set_min(0);  // so that Halide sees which member of a group a row is
    return stages;
}

}  // namespace attune

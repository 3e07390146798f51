#include "generator/algorithm/tensor_core_attention.h"
#include "generator/gpu/markers.h"
#include "generator/gpu/tensor_core_lowering.h"

#include <cmath>

namespace attune {

using namespace Halide;

namespace {

/// Scores are products where the specification changes nothing but their scale, which exponents take with them for nothing. Not
/// a scale so small that a hidden score would not be finite in its units.
bool has_logits(const DeviceBlocks &blocks) {
    return blocks.spec.score || blocks.scale() < 1e-7;
}

TensorCoreShape shape_of(const DeviceBlocks &blocks, TensorCoreShape shape) {
    shape.head_dim = blocks.spec.head_dim;
    shape.head_dim_v = blocks.spec.head_dim_v;
    shape.bf16 = blocks.spec.dtype == DType::bf16;
    shape.scale = has_logits(blocks) ? 1.0f : static_cast<float>(blocks.scale());
    shape.sink = has_sink(blocks.spec);
    return shape;
}

}  // namespace

TensorCoreTask::TensorCoreTask(const AttentionSpec &spec, const TensorCoreShape &tiles, int fold, const DeviceOperations &operations)
    : DeviceBlocks(spec, {tiles.block_q(), tiles.block_kv, fold}, operations), shape(shape_of(*this, tiles)) {}

namespace {

/// The address of a thread's own piece of its own row of the first chunk.
Expr first_piece(const TensorCoreTask &task, const ImageParam &array, int dim, const DeviceBlocks::Place &at, const Expr &first_chunk,
                 const Expr &t) {
    const int across = task.shape.copy(dim).across;
    const Expr row = first_chunk * task.block.block_kv + t / across;
    return tensor_core_address(array(t % across * 8, task.packed_key(at, row), task.kv_head(at), at.b));
}

}  // namespace

DeviceBlocks::Place TensorCoreTask::place_of(const TensorCoreStages &stages, const Expr &qb, const Expr &hb, const Expr &b) const {
    return {qb, hb, b, stages.used(b)[0], stages.used(b)[1], Expr(), stages.used(b)[2], stages.used(b)[3]};
}

/// What a thread does before its chunks.
Expr TensorCoreTask::setup(const TensorCoreStages &stages, const Place &at, const Expr &t) const {
    const Expr first = stages.range(at.qb, at.hb, at.b)[0], end = stages.range(at.qb, at.hb, at.b)[1];
    const TensorCoreShape::Copy copy = shape.copy(spec.head_dim);
    std::vector<Expr> fetch = {tensor_core_call("setup", {t, first_piece(*this, args.key, spec.head_dim, at, first, t),
                                                          first_piece(*this, args.value, spec.head_dim_v, at, first, t)})};
    for (int i = 0; i < copy.rounds(block.block_q); i++) {
        const Expr row = existing(row_of(at, i * copy.rows_at_once + t / copy.across));
        fetch.push_back(
            tensor_core_address(args.query(t % copy.across * 8, head_in_fold(row), packed_row(at, position_of(row)), at.hb, at.b)));
    }
    const Expr left = keys_left(at, first);
    Expr wanted = first < end;
    if (skips_chunks())
        wanted = wanted && kind_of_chunk(at, first, left) != int(chunk_empty);
    const Expr fetched = select(wanted, left, 0);
    Expr token = tensor_core_call("fetch_key", {tensor_core_call("fetch_query", fetch), fetched, args.key.dim(1).stride()});
    if (shape.stages == 2)
        token = tensor_core_call("fetch_value", {token, fetched, args.value.dim(1).stride()});
    return tensor_core_call("query", {token});
}

void TensorCoreTask::define_scores(TensorCoreStages &stages) const {
    Var t("t"), qb("qb"), hb("hb"), b("b"), c("c");
    const Place at = place_of(stages, qb, hb, b);
    const Expr end = stages.range(qb, hb, b)[1];
    const bool skips = skips_chunks();
    // Opaque: else LLVM keeps what else follows from lengths and c in registers of their own across the loop.
    stages.left = Func("left");
    stages.left(c, qb, hb, b) = tensor_core_call("opaque", {keys_left(at, c)});
    const Expr left = stages.left(c, qb, hb, b);
    stages.kinds = Func("kinds");
    stages.kinds(c, qb, hb, b) =
        skips ? select(c < end, kind_of_chunk(at, c, keys_left(at, c)), int(chunk_empty)) : kind_of_chunk(at, c, left);
    auto kind = [&](const Expr &c) { return stages.kinds(c, qb, hb, b); };
    const Expr next = c + 1, wanted = skips ? kind(c) != int(chunk_empty) : Internal::const_true(),
               next_wanted = skips ? kind(next) != int(chunk_empty) : next < end;
    auto fetch_key = [&](const Expr &token) {
        return tensor_core_call("fetch_key", {token, select(next_wanted, left - block.block_kv, 0), args.key.dim(1).stride()});
    };
    auto fetch_value = [&](const Expr &token, const Expr &wanted, const Expr &left) {
        return tensor_core_call("fetch_value", {token, select(wanted, left, 0), args.value.dim(1).stride()});
    };
    Func &scores = stages.scores;
    scores = Func("scores");
    Expr token = tensor_core_call("wait", {t});
    token = shape.stages == 2 ? fetch_value(fetch_key(token), next_wanted, left - block.block_kv) : fetch_value(token, wanted, left);
    scores(c, t, qb, hb, b) = token;
    const Expr products = tensor_core_call("scores", {scores(c, t, qb, hb, b)});
    scores(c, t, qb, hb, b) = skips ? only_where(wanted, products) : products;

    for (const int of_kind : {chunk_masked, chunk_full}) {
        if (of_kind == chunk_full && !has_logits(*this))
            continue;
        RDom e(0, shape.scores(), of_kind == chunk_full ? "e_full" : "e_masked");
        e.where(kind(c) == of_kind);
        const Expr tile = e / (4 * shape.key_tiles()), lane = t % 32;
        // Of rows and keys that do not exist nothing is used; arrays that expressions index keep the indices inside by themselves.
        const Expr row = row_of(at, t / 32 * (16 * shape.row_tiles) + tile * 16 + e % 4 / 2 * 8 + lane / 4);
        const Expr first_key = c * block.block_kv + lane % 4 * 2, key = e / 4 % shape.key_tiles() * 8 + e % 2, kv = first_key + key;
        const Expr before = scores(c, t, qb, hb, b);
        const Expr product = tensor_core_score(before, e);
        const Expr logit = has_logits(*this) ? logit_of(at, row, kv, product * static_cast<float>(scale())) : product;
        const Expr exists = key < left - lane % 4 * 2;
        const Expr visible = of_kind == chunk_masked ? exists && sees(at, row, kv) : Internal::const_true();
        Expr shown = logit;
        if (score_may_hide(spec))
            shown = shown_logit(visible, logit);
        else if (of_kind == chunk_masked)
            shown = reinterpret<float>(select(visible, float_bits(logit), float_bits(hidden_score_of(shape))));
        scores(c, t, qb, hb, b) = tensor_core_set_score(before, e, shown);
        stages.elements.push_back(e);
    }

    // Keys have been read: those of the next chunk take their place while values are used.
    stages.ahead = Func("ahead");
    token = scores(c, t, qb, hb, b);
    if (shape.stages == 1)
        token = fetch_key(tensor_core_call("wait", {token}));
    stages.ahead(c, t, qb, hb, b) = token;
}

void TensorCoreTask::define_output(TensorCoreStages &stages) const {
    Var d("d"), head("folded_head"), position("position"), hb("hb"), b("b");
    const Type type = device_array_type(spec, operations);
    const Expr blocks = (rows() + (block.block_q - 1)) / block.block_q;
    stages.threads = RDom(0, shape.threads(), 0, blocks, 0, args.query.dim(3).extent(), 0, args.query.dim(4).extent(), "threads");
    const Expr t = stages.threads.x;
    // A causal mask's longest blocks first.
    const Place at = place_of(stages, blocks - 1 - stages.threads.y, stages.threads.z, stages.threads.w);

    // What is made of `thread` is computed after the loop; of t, as the query's addresses are, it would stand in 10 registers across it.
    Var v("t"), qb("qb");
    stages.late = Func("late");
    stages.late(v, qb, hb, b) = tensor_core_call("late", {v, stages.state(v, qb, hb, b)});
    const Expr thread = stages.late(t, at.qb, at.hb, at.b);
    auto existing_row = [&](const Expr &row) { return unsafe_promise_clamped(existing(row), 0, rows() - 1); };
    // Row i of the thread in the layout of the products.
    auto thread_row = [&](int i) { return thread / 32 * (16 * shape.row_tiles) + i / 2 * 16 + i % 2 * 8 + thread % 32 / 4; };
    Expr token = tensor_core_call("sum", {stages.state(t, at.qb, at.hb, at.b)});
    for (int i = 0; i < shape.thread_rows() && shape.sink; i++)
        token = tensor_core_call("sink_" + std::to_string(i), {token, sink_of(at, head_of(at, existing_row(row_of(at, thread_row(i)))))});
    for (int i = 0; i < shape.thread_rows() && spec.lse; i++) {
        const Expr any = row_of(at, thread_row(i)), row = existing_row(any);
        const Expr writes = args.writes_lse != 0 && thread % 4 == 0 && any < rows_written(at);
        token = tensor_core_call("lse_" + std::to_string(i),
                                 {token, tensor_core_address(args.lse(head_in_fold(row), packed_row(at, position_of(row)), at.hb, at.b)),
                                  cast<int>(writes), cast<int>(row < rows_in_use(at))});
    }

    stages.output = Func("output");
    stages.output(d, head, position, hb, b) = undef(type);
    const TensorCoreShape::Copy copy = shape.copy(spec.head_dim_v);
    const Expr own = row_of(at, thread / copy.across);
    std::vector<Expr> store = {tensor_core_call("finish", {token}), rows_written(at) - own, rows_in_use(at) - own};
    for (int i = 0; i < copy.rounds(block.block_q); i++) {
        const Expr row = existing_row(own + i * copy.rows_at_once);
        const Expr position = unsafe_promise_clamped(packed_row(at, position_of(row)), 0, args.seq_len_q - 1);
        store.push_back(tensor_core_address(stages.output(thread % copy.across * 8, head_in_fold(row), position, at.hb, at.b)));
    }
    stages.output(0, 0, 0, at.hb, at.b) = cast(type, tensor_core_call("store", store));
}

TensorCoreStages TensorCoreTask::define() const {
    TensorCoreStages stages;
    Var t("t"), qb("qb"), hb("hb"), b("b");
    const Place all = place(qb, hb, b);
    stages.used = Func("used");
    stages.used(b) = Tuple(all.length_q, all.length_kv, all.first_q, all.first_kv);
    const Place at = place_of(stages, qb, hb, b);
    const Chunks range = chunks_of(at);
    stages.range = Func("range");
    stages.range(qb, hb, b) = Tuple(range.first, range.end);
    define_scores(stages);
    stages.state = Func("state");
    stages.state(t, qb, hb, b) = setup(stages, at, t);
    stages.chunk = RDom(0, (args.seq_len_kv + (block.block_kv - 1)) / block.block_kv, "chunk");
    stages.chunk.where(loop_turns(stages.chunk, stages.range(qb, hb, b)[0], stages.range(qb, hb, b)[1], Internal::const_true()));
    const Expr values = tensor_core_call("values", {stages.ahead(stages.chunk, t, qb, hb, b) + stages.state(t, qb, hb, b)});
    stages.state(t, qb, hb, b) = skips_chunks() ? only_where(stages.kinds(stages.chunk, qb, hb, b) != int(chunk_empty), values) : values;
    define_output(stages);
    return stages;
}

}  // namespace attune

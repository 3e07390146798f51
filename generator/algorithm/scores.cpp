#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

void define_score_arrays(const AttentionTask &task, AttentionStages &stages, bool partial) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    if (task.shape.array_keys == 1)
        return;
    const int vector = task.shape.vector, keys = task.shape.array_keys;
    Var j("j"), k("k"), g("g"), t("t"), c("c"), s("s");
    for (const Node *element : row_key_elements(task.spec, task.shape.fold > 1)) {
        ScoreArray array;
        array.element = element;
        const Parameter &param = task.args.params[static_cast<size_t>(element->parameter)];
        auto property = [&](const char *name) { return Internal::Variable::make(Int(32), param.name() + name, param); };
        const Expr i = g * vector + j, first = visit_list(task, partial).kv(t * keys, c);
        const Expr q = stages.rows.position(i, s), h = stages.rows.head_of(task, i, s);
        const Expr all_exist = first + keys <= min(task.args.seq_len_kv, property(".extent.0"));
        const std::string name = param.name() + (partial ? "_partial" : "_full");
        array.tile = Func(name);
        array.tile(j, k, g, t, c, s) = undef<float>();
        array.inside = RDom(0, keys, name + "_inside");
        array.inside.where(all_exist);
        array.tile(j, array.inside, g, t, c, s) =
            cast<float>(stored_element(*element, task.inputs(q, h, task.existing_key(first + array.inside, false)), true));
        array.across = RDom(0, keys, name + "_across");
        array.across.where(!all_exist && first + array.across < task.args.seq_len_kv);
        const Expr kv = task.existing_key(first + array.across, false);
        array.tile(j, array.across, g, t, c, s) = cast<float>(stored_element(*element, task.inputs(q, h, kv)));
        array.keys_are_dense = property(".stride.0") == 1;
        chunk.arrays.push_back(array);
    }
}

/// What steps of the sum over d take of a chunk's keys; nothing where that is what the tensor holds.
void define_key(const AttentionTask &task, AttentionStages &stages, bool partial) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    Var k("k"), c("c"), d("d");
    const Products products = task.shape.scores;
    if (products == Products::f32 && task.spec.dtype == DType::f32)
        return;
    chunk.key = Func(partial ? "key_partial" : "key_full");
    const Expr existing = task.existing_key(visit_list(task, partial).kv(k, c), partial);
    auto element = [&](const Expr &at) { return task.args.key(at, existing); };
    switch (products) {
    case Products::f32:
        chunk.key(d, k, c) = task.key(d, existing);
        break;
    case Products::bf16_pairs:
        if (partial && task.shape.matrix_tiles) {
            const VisitList list = visit_list(task, true);
            const RDom over = list.existing_tiles(task.shape.tile_kv, c, "over_key");
            const Expr at = over.y * task.shape.tile_kv + over.x, kv = task.existing_key(list.kv(at, c), true);
            chunk.key(d, k, c) = undef<uint32_t>();
            chunk.key(d, at, c) = task.head_dim_pair(d, [&](const Expr &e) { return task.args.key(e, kv); });
        } else {
            chunk.key(d, k, c) = task.head_dim_pair(d, element);
        }
        break;
    case Products::f16:
        chunk.key(d, k, c) = half_twice(reinterpret<uint16_t>(element(d)));
        break;
    case Products::i8_quads:
        define_quantised_key(task, stages, partial);
    }
}

}  // namespace

void define_scores(const AttentionTask &task, AttentionStages &stages, bool partial, const std::function<Expr(Expr, Expr)> &start) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    const std::string suffix = partial ? "_partial" : "_full";
    Var i("i"), k("k"), c("c"), s("s"), d("d");
    const Expr kv = visit_list(task, partial).kv(k, c);
    const Expr existing = task.existing_key(kv, partial);
    if (task.spec.dtype != DType::f32) {
        chunk.value = Func("value" + suffix);
        chunk.value(d, k, c) = task.value(d, existing);
    }
    define_key(task, stages, partial);
    define_score_arrays(task, stages, partial);
    chunk.over_d = RDom(0, task.product_steps(), "over_d" + suffix);
    chunk.scores = Func("scores" + suffix);
    const Expr query = stages.query_strip(i, chunk.over_d, s);
    const Expr key = chunk.key.defined() ? Expr(chunk.key(chunk.over_d, k, c)) : task.key(chunk.over_d, existing);
    switch (task.shape.scores) {
    case Products::f32:
        chunk.scores(i, k, c, s) = start(i, s);
        chunk.scores(i, k, c, s) += query * key;
        break;
    case Products::bf16_pairs:
        chunk.scores(i, k, c, s) = 0.0f;
        chunk.scores(i, k, c, s) = dot_bf16(task.machine, chunk.scores(i, k, c, s), query, key);
        break;
    case Products::f16:
        chunk.scores(i, k, c, s) = half_of(start(i, s));
        chunk.scores(i, k, c, s) = fma_f16(task.machine, chunk.scores(i, k, c, s), query, key);
        break;
    case Products::i8_quads:
        chunk.scores(i, k, c, s) = 0;
        chunk.scores(i, k, c, s) = dot_i8(task.machine, chunk.scores(i, k, c, s), query, key);
    }
}

Expr chunk_product(const AttentionTask &task, const AttentionStages &stages, bool partial, const Expr &i, const Expr &k, const Expr &c,
                   const Expr &s) {
    const ChunkStages &chunk = partial ? stages.partial : stages.full;
    const Expr scores = chunk.scores(i, k, c, s);
    switch (task.shape.scores) {
    case Products::bf16_pairs:
        return scores * task.scale();
    case Products::f16:
        return f32_of_half(scores);
    case Products::i8_quads:
        return quantised_product(stages, chunk, i, k, c, s);
    case Products::f32:
        break;
    }
    return scores;
}

Expr chunk_logit(const AttentionTask &task, const AttentionStages &stages, bool partial, const Expr &i, const Expr &k, const Expr &c,
                 const Expr &s) {
    const Expr kv = task.existing_key(visit_list(task, partial).kv(k, c), partial);
    const ChunkStages &chunk = partial ? stages.partial : stages.full;
    const int vector = task.shape.vector, keys = task.shape.array_keys;
    auto staged = [&](const Node &element) -> Expr {
        for (const ScoreArray &array : chunk.arrays)
            if (array.element == &element)
                return array.tile(i % vector, k % keys, i / vector, k / keys, c, s);
        return Expr();
    };
    return task.logit(chunk_product(task, stages, partial, i, k, c, s), stages.rows.position(i, s), stages.rows.head_of(task, i, s), kv,
                      staged);
}

Expr chunk_visible(const AttentionTask &task, const RowStages &rows, const Expr &i, const Expr &k, const Expr &c, const Expr &s) {
    const VisitList list = visit_list(task, true);
    const Expr kv = list.kv(k, c);
    Expr visible = task.visible(rows.position(i, s), rows.head_of(task, i, s), kv);
    if (task.spec.mask && task.spec.block_mask)
        visible = visible || (list.state(c, s) & ATTUNE_VISIT_UNMASKED) != 0;
    return kv < task.args.seq_len_kv && visible;
}

RDom define_elements(const AttentionTask &task, Func &f, bool partial, const std::function<Expr(Expr)> &value) {
    Var i("i"), k("k"), c("c"), s("s");
    if (!partial) {
        f(i, k, c, s) = value(k);
        return RDom();
    }
    const int tile_kv = task.shape.tile_kv;
    RDom over(0, tile_kv, 0, task.shape.tiles(), "over_" + f.name());
    over.where(visit_list(task, true).holds_tile(over.y, c, s));
    f(i, k, c, s) = undef<float>();
    const Expr key = over.y * tile_kv + over.x;
    f(i, key, c, s) = value(key);
    return over;
}

Expr hides(const Expr &logit) {
    constexpr uint32_t first = 0xefa18f08u + 1, last = 0xff800000u;  // the bits after those of first_maximum, -infinity
    return reinterpret<uint32_t>(logit) - Expr(first) <= Expr(last - first);
}

Expr shown_logit(const Expr &visible, const Expr &logit) {
    return reinterpret<float>(select(visible && !hides(logit), float_bits(logit), float_bits(hidden_score)));
}

Expr shown_weight(const Expr &visible, const Expr &weight) {
    // Selected as integers: a select on the score itself would let Halide narrow the scores' bounds.
    return reinterpret<float>(select(visible, float_bits(weight), minus_zero_bits));
}

void define_logits(const AttentionTask &task, AttentionStages &stages, bool partial) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    Var i("i"), c("c"), s("s");
    chunk.logits = Func(partial ? "logits_partial" : "logits_full");
    chunk.over_logits = define_elements(task, chunk.logits, partial, [&](const Expr &k) {
        const Expr logit = chunk_logit(task, stages, partial, i, k, c, s);
        return shown_logit(partial ? chunk_visible(task, stages.rows, i, k, c, s) : Internal::const_true(), logit);
    });
}

void define_weights_of_logits(const AttentionTask &task, AttentionStages &stages, bool partial, const Expr &reference) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    Var i("i"), c("c"), s("s");
    chunk.weights = Func(partial ? "weights_partial" : "weights_full");
    chunk.over_weights = define_elements(task, chunk.weights, partial, [&](const Expr &k) {
        const Expr logit = chunk.logits(i, k, c, s), weight = exp2_of_difference(logit - reference);
        const bool marked = task.rows_differ() && (partial || task.score_hides());
        return marked ? shown_weight(float_bits(logit) != float_bits(hidden_score), weight) : weight;
    });
}

}  // namespace attune

#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

/// Adding it to a float of magnitude below 2^22 rounds that to an integer, which stands, plus 127, in the low bits of the sum.
/// Numbers beyond that keep f within their last place, and an exponent of 0 or of the cap.
constexpr float round_magic = 12583039.0f;    // 1.5 * 2^23 + 127
constexpr int round_magic_zero = 0x4b400000;  // the bits of 1.5 * 2^23: an exponent field of 0, so 2^n is 0

/// 2^f on [-1/2, 1/2]: minimax polynomial of degree 5, relative error 9e-8.
Expr exp2_polynomial(const Expr &f) {
    Expr p = 1.32647e-3f;
    for (float c : {9.67151e-3f, 5.550734e-2f, 2.4022242e-1f, 6.9314698e-1f, 1.0f})
        p = p * f + c;
    return p;
}

/// 2^(n - 127) from bits whose lowest eight are n. Shifted as unsigned: what is shifted out would overflow an int, which Halide
/// takes as a promise that it cannot happen.
Expr exponent(const Expr &bits) {
    return reinterpret<float>(reinterpret<uint32_t>(bits) << cast<uint32_t>(23));
}

/// Lanes combined by halves; a power of two.
Expr tree_of_lanes(const std::function<Expr(int)> &lane, int lanes, const std::function<Expr(Expr, Expr)> &combined) {
    std::vector<Expr> all;
    for (int v = 0; v < lanes; v++)
        all.push_back(lane(v));
    while (all.size() > 1) {
        for (size_t v = 0; v < all.size() / 2; v++)
            all[v] = combined(all[2 * v], all[2 * v + 1]);
        all.resize(all.size() / 2);
    }
    return all[0];
}

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

}  // namespace

Expr float_bits(const Expr &x) {
    return reinterpret<int>(x);
}

Expr sum_of_lanes(const std::function<Expr(int)> &lane, int lanes) {
    return tree_of_lanes(lane, lanes, [](const Expr &a, const Expr &b) { return a + b; });
}

Expr largest_of_lanes(const std::function<Expr(int)> &lane, int lanes) {
    return tree_of_lanes(lane, lanes, [](const Expr &a, const Expr &b) { return max(a, b); });
}

int head_dim_steps(const AttentionTask &task) {
    return (task.spec.head_dim + task.shape.vector - 1) / task.shape.vector;
}

Expr head_dim_lane(const AttentionTask &task, const Expr &d, const std::function<Expr(Expr)> &element) {
    if (task.spec.head_dim % task.shape.vector == 0)
        return cast<float>(element(d));
    return select(d < task.spec.head_dim, cast<float>(element(min(d, task.spec.head_dim - 1))), 0.0f);
}

Expr exp2_capped(const Expr &x) {
    // As integers: positive floats order like them, and a positive NaN is above all.
    return exp2_of_difference(reinterpret<float>(min(float_bits(x), float_bits(127.0f))));
}

Expr exp2_of_difference(const Expr &x) {
    // The exponent is bounded as an integer, so that a NaN in x reaches the result through the polynomial.
    const Expr rounded = strict_float(x + round_magic);
    const Expr f = x - strict_float(rounded - round_magic);
    return exp2_polynomial(f) * exponent(max(float_bits(rounded), round_magic_zero));
}

void define_query(const AttentionTask &task, AttentionStages &stages) {
    Var i("i"), d("d"), s("s"), j("j"), g("g");
    const int vector = task.shape.vector;
    stages.query_tile = Func("query_tile");
    stages.query_strip = Func("query_strip");
    const Expr row = task.existing_row(g * vector + j);
    auto element = [&](const Expr &d) { return task.args.query(d, row % task.shape.fold, row / task.shape.fold); };
    stages.query_tile(j, d, g) =
        task.shape.scores == Products::bf16_pairs ? task.head_dim_pair(d, element) : cast<float>(element(d)) * task.scale();
    stages.rows = define_rows(task);
    if (task.shape.scores == Products::i8_quads) {
        define_quantised_query(task, stages);
        return;
    }
    const int vectors = task.shape.strip / vector;
    const Expr query = stages.query_tile(i % vector, d, s * vectors + i / vector);
    stages.query_strip(i, d, s) = task.shape.scores == Products::f16 ? half_of(query) : query;
}

RowStages define_rows(const AttentionTask &task) {
    RowStages rows;
    Var i("i"), s("s");
    const Expr row = task.existing_row(s * task.shape.strip + i);
    rows.position = Func("row_position");
    rows.position(i, s) = task.position(row);
    if (task.shape.fold > 1) {
        rows.head = Func("row_head");
        rows.head(i, s) = task.head(row);
    }
    return rows;
}

VisitList visit_list(const AttentionTask &task, bool partial) {
    return {task, partial ? task.args.partial : task.args.full};
}

Expr RowStages::head_of(const AttentionTask &task, const Expr &i, const Expr &s) const {
    return head.defined() ? head(i, s) : Expr(task.args.head);
}

namespace {

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
        chunk.key(d, k, c) = task.head_dim_pair(d, element);
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
        const Expr shown = partial ? chunk_visible(task, stages.rows, i, k, c, s) && !hides(logit) : !hides(logit);
        return reinterpret<float>(select(shown, float_bits(logit), float_bits(hidden_score)));
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

void define_weighted(const AttentionTask &task, AttentionStages &stages, bool partial) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    const VisitList list = visit_list(task, partial);
    const std::string suffix = partial ? "_partial" : "_full";
    Var i("i"), j("j"), b("b"), c("c"), s("s");
    const int block_kv = task.shape.block_kv, tile_kv = task.shape.tile_kv;
    chunk.row_sums = Func("row_sums" + suffix);
    chunk.row_sums(i, j, c, s) = 0.0f;
    if (partial) {
        chunk.over_sum = RDom(0, tile_kv / 4, 0, task.shape.tiles(), "over_sum" + suffix);
        chunk.over_sum.where(list.holds_tile(chunk.over_sum.y, c, s));
        chunk.row_sums(i, j, c, s) += chunk.weights(i, chunk.over_sum.y * tile_kv + chunk.over_sum.x * 4 + j, c, s);
    } else {
        chunk.over_sum = RDom(0, block_kv / 4, "over_sum" + suffix);
        chunk.row_sums(i, j, c, s) += chunk.weights(i, chunk.over_sum * 4 + j, c, s);
    }

    // Where the score alone may hide, it hides nothing in most chunks, and the sum that leaves hidden keys out is needed in the others only.
    const bool score_decides = task.score_hides() && !(partial && task.spec.mask);
    auto existing_keys = [&](const std::string &name) {
        RDom keys(0, block_kv, name + suffix);
        if (partial)
            keys.where(list.kv(keys, c) < task.args.seq_len_kv);
        return keys;
    };
    if (score_decides) {
        chunk.over_signs = existing_keys("over_signs");
        chunk.signs = Func("signs" + suffix);
        chunk.signs(i, c, s) = 0;
        chunk.signs(i, c, s) = chunk.signs(i, c, s) | float_bits(chunk.weights(i, chunk.over_signs, c, s));
        chunk.over_rows = RDom(0, task.shape.strip, "over_rows" + suffix);
        chunk.hides = Func("hides" + suffix);
        chunk.hides(c, s) = 0;
        chunk.hides(c, s) = chunk.hides(c, s) | chunk.signs(chunk.over_rows, c, s);
        chunk.hides.compute_root();  // in no schedule: Halide 21 cannot inline a reduction into a predicate
    }

    Expr k;
    if (partial && task.spec.mask) {
        // Pairs of keys in one loop: with a loop over a tile's keys inside one over tiles, LLVM copies all accumulators at each tile.
        const int pairs = tile_kv / 2;
        chunk.over_k = RDom(0, 2, 0, block_kv / 2, "over_k" + suffix);
        chunk.over_k.where(list.holds_tile(chunk.over_k.y, c, s, pairs));
        k = chunk.over_k.y * 2 + chunk.over_k.x;
    } else {
        chunk.over_k = existing_keys("over_k");
        k = chunk.over_k;
    }
    // Halide cannot know that the state block takes no values.
    const Expr d = unsafe_promise_clamped(b * task.shape.tile_d + j, 0, task.value_blocks() * task.shape.tile_d - 1);
    auto value = [&](const Expr &k) {
        return chunk.value.defined() ? chunk.value(d, k, c) : task.value(d, task.existing_key(list.kv(k, c), partial));
    };
    chunk.weighted = Func("weighted" + suffix);
    chunk.weighted(i, j, b, c, s) = 0.0f;
    if (score_decides) {
        chunk.over_k.where(chunk.hides(c, s) >= 0);
        chunk.weighted(i, j, b, c, s) += chunk.weights(i, k, c, s) * value(k);
        chunk.over_shown_k = existing_keys("over_shown_k");
        chunk.over_shown_k.where(chunk.hides(c, s) < 0);
        // Hidden values become 0, and -0 * 0 changes no sum. A selected sum would be a product and a sum for an FMA on AVX2, and the rows that
        // hide nothing would depend on their neighbours by a rounding.
        const Expr weight = chunk.weights(i, chunk.over_shown_k, c, s), shown = reinterpret<uint32_t>(weight) < Expr(0x7fffffffu);
        chunk.weighted(i, j, b, c, s) += weight * reinterpret<float>(select(shown, float_bits(value(chunk.over_shown_k)), 0));
        return;
    }
    const Expr sum = chunk.weighted(i, j, b, c, s), weight = chunk.weights(i, k, c, s), next = sum + weight * value(k);
    // 0 * NaN would leak from a key that only some rows see: their update is masked, which AVX-512 folds into the FMA. Tested so that LLVM 21
    // does not turn the selection round, as it does for a sign or an inequality: it would copy and blend, and the loop takes 1.4 times
    // as long.
    const bool masked = partial && task.spec.mask;
    chunk.weighted(i, j, b, c, s) = masked ? select(reinterpret<uint32_t>(weight) < Expr(0x7fffffffu), next, sum) : next;
}

void define_half_weighted(const AttentionTask &task, AttentionStages &stages) {
    ChunkStages &chunk = stages.full;
    Var i("i"), j("j"), b("b"), c("c"), s("s"), d("d"), k("k");
    chunk.over_sum = RDom(0, task.shape.block_kv / 4, "over_sum_full");
    chunk.row_sums = Func("row_sums_full");
    chunk.row_sums(i, j, c, s) = 0.0f;
    chunk.row_sums(i, j, c, s) += f32_of_half(chunk.weights(i, chunk.over_sum * 4 + j, c, s));

    const Expr kv = task.existing_key(visit_list(task, false).kv(k, c), false);
    chunk.value = Func("value_halves");
    chunk.value(d, k, c) = half_twice(reinterpret<uint16_t>(task.args.value(min(d, task.spec.head_dim_v - 1), kv)));
    chunk.over_k = RDom(0, task.shape.block_kv, "over_k_full");
    const Expr column = unsafe_promise_clamped(b * task.shape.tile_d + j, 0, task.value_blocks() * task.shape.tile_d - 1);
    chunk.weighted = Func("weighted_full");
    chunk.weighted(i, j, b, c, s) = cast<uint16_t>(0);
    chunk.weighted(i, j, b, c, s) =
        fma_f16(task.machine, chunk.weighted(i, j, b, c, s), chunk.weights(i, chunk.over_k, c, s), chunk.value(column, chunk.over_k, c));
}

void define_pairs_of_weights(const AttentionTask &task, AttentionStages &stages, const std::function<Expr(Expr)> &weight) {
    ChunkStages &chunk = stages.full;
    const VisitList list = visit_list(task, false);
    Var i("i"), j("j"), b("b"), c("c"), s("s"), d("d"), p("p"), k("k");
    const int pairs = task.shape.block_kv / 2;
    chunk.pairs = Func("pairs_full");
    const Expr low = weight(2 * p), high = weight(2 * p + 1);
    chunk.pairs(i, p, c, s) = Tuple(rounded_pair_of_bf16(low, high), low + high);
    // Sums are of what was not rounded: lse is f32, and its bound too.
    chunk.over_sum = RDom(0, pairs / 4, "over_sum_full");
    chunk.row_sums = Func("row_sums_full");
    chunk.row_sums(i, j, c, s) = 0.0f;
    chunk.row_sums(i, j, c, s) += chunk.pairs(i, chunk.over_sum * 4 + j, c, s)[1];

    chunk.value = Func("value_pairs");
    auto value = [&](const Expr &in_chunk) {
        return task.args.value(min(d, task.spec.head_dim_v - 1), task.existing_key(list.kv(in_chunk, c), false));
    };
    chunk.value_tile = Func("value_tile");
    chunk.value_tile(d, k, c) = pair_of_bf16(value(2 * k), value(2 * k + 1));
    chunk.value(d, k, c) = chunk.value_tile(d, k, c);
    chunk.over_k = RDom(0, pairs, "over_k_full");
    const Expr column = unsafe_promise_clamped(b * task.shape.tile_d + j, 0, task.value_blocks() * task.shape.tile_d - 1);
    chunk.weighted = Func("weighted_full");
    chunk.weighted(i, j, b, c, s) = 0.0f;
    chunk.weighted(i, j, b, c, s) =
        dot_bf16(task.machine, chunk.weighted(i, j, b, c, s), chunk.pairs(i, chunk.over_k, c, s)[0], chunk.value(column, chunk.over_k, c));
}

Expr chunk_row_sum(const ChunkStages &chunk, const Expr &i, const Expr &c, const Expr &s) {
    auto sum = [&](int j) { return chunk.row_sums(i, j, c, s); };
    return (sum(0) + sum(1)) + (sum(2) + sum(3));
}

void define_accumulator(const AttentionTask &task, AttentionStages &stages) {
    Var i("i"), j("j"), b("b"), s("s");
    stages.accumulator = Func("accumulator");
    stages.accumulator(i, j, b, s) = select(b == task.value_blocks() && j == 1, first_maximum, 0.0f);
}

Expr row_sum(const AttentionTask &task, const AttentionStages &stages, const Expr &i, const Expr &s) {
    return stages.accumulator(i, 0, task.value_blocks(), s);
}

void accumulate_chunk(const AttentionTask &task, AttentionStages &stages, const ChunkStages &chunk, const RDom &loop,
                      const Expr &reference) {
    Var i("i"), j("j"), b("b"), s("s");
    const Expr old = stages.accumulator(i, j, b, s);
    const Expr state = select(j == 0, old + chunk_row_sum(chunk, i, loop, s), reference);
    const Expr sums = chunk.weighted(i, j, b, loop, s), weighted = sums.type() == UInt(16) ? f32_of_half(sums) : sums;
    stages.accumulator(i, j, b, s) = select(b < task.value_blocks(), likely(old + weighted), state);
}

/// 2^n for an integer n <= 0; 0 below -126.
Expr exp2_integer(const Expr &n) {
    return reinterpret<float>((cast<int>(max(n, -127.0f)) + 127) << 23);
}

void define_exact_result(const AttentionTask &task, AttentionStages &stages) {
    Var i("i"), s("s");
    const Expr row = task.existing_row(s * task.shape.strip + i);
    Expr sum = row_sum(task, stages, i, s), maximum = stages.accumulator(i, 1, task.value_blocks(), s), rescale = 1.0f;
    if (const Expr sink = task.sink(task.head(row)); sink.defined()) {
        const Expr larger = max(maximum, ceil(max(sink, hidden_score)));
        rescale = exp2_integer(maximum - larger);
        // Capped, though never above 0: its integer step keeps LLVM from reassociating the difference with the rounding inside.
        sum = sum * rescale + exp2_capped(sink - larger);
        maximum = larger;
    }
    const Expr sum_bits = float_bits(sum), empty = sum_bits == 0;
    stages.state = Func("state");
    stages.state(i, s) = task.args.row_class(row);
    stages.inverse = Func("inverse");
    stages.inverse(i, s) = select(empty, 0.0f, rescale / sum);
    const Expr lse = maximum * static_cast<float>(M_LN2) + log(sum);
    const Expr lse_bits = select((sum_bits & 0x7fffffff) > infinity_bits, 0x7fc00000, float_bits(lse));  // log(NaN) is not one
    stages.row_lse = Func("row_lse");
    stages.row_lse(i, s) = reinterpret<float>(select(empty, minus_infinity_bits, lse_bits));
}

Expr as_output(const Expr &x, const Type &type) {
    const Expr rounded = cast(type, x);
    if (type == Float(32))
        return rounded;
    const int nan = type.is_bfloat() ? 0x7fc0 : 0x7e00;
    const Expr is_nan = (float_bits(x) & 0x7fffffff) > infinity_bits;
    return reinterpret(type, select(is_nan, cast<uint16_t>(nan), reinterpret<uint16_t>(rounded)));
}

void define_outputs(const AttentionTask &task, AttentionStages &stages, int stored) {
    Var d("d"), j("j"), g("g"), row("row");
    const int vector = task.shape.vector, strip = task.shape.strip, vectors = strip / vector;
    const Expr rows = task.rows();
    stages.output_tile = Func("output_tile");
    const Expr i = (g % vectors) * vector + j, s = g / vectors;
    stages.output_tile(d, j, g) = stages.accumulator(i, d % task.shape.tile_d, d / task.shape.tile_d, s) * stages.inverse(i, s);

    stages.output_rows = RDom(0, vector, 0, (rows + vector - 1) / vector, "output_rows");
    const int fold = task.shape.fold;
    const Expr rj = stages.output_rows.x, rg = stages.output_rows.y, tile_row = rg * vector + rj;
    stages.output_rows.where(tile_row < rows && stages.state((rg % vectors) * vector + rj, rg / vectors) == stored);
    stages.output = Func("output");
    Var head("head");
    stages.output(d, head, row) = undef(task.type());
    const Expr existing = clamp(tile_row, 0, rows - 1);
    stages.output(d, existing % fold, existing / fold) = as_output(stages.output_tile(d, rj, rg), task.type());

    stages.lse_rows = RDom(0, rows, "lse_rows");
    const Expr r = stages.lse_rows;
    stages.lse_rows.where(stages.state(r % strip, r / strip) == stored);
    stages.lse = Func("lse");
    stages.lse(row) = undef<float>();
    stages.lse(r) = stages.row_lse(r % strip, r / strip);

    stages.row_state = Func("row_state");
    stages.row_state(row) = stages.state(row % strip, row / strip);
}

}  // namespace attune

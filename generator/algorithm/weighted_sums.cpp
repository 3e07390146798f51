#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

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

void define_pairs_of_weights(const AttentionTask &task, AttentionStages &stages, bool partial, const std::function<Expr(Expr)> &weight) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    const VisitList list = visit_list(task, partial);
    const std::string suffix = partial ? "_partial" : "_full";
    Var i("i"), j("j"), b("b"), c("c"), s("s"), d("d"), p("p"), k("k");
    const int pairs = task.shape.block_kv / 2, tile_kv = task.shape.tile_kv, tile_pairs = tile_kv / 2;
    auto pair_of = [&](const Expr &p) {
        const Expr low = weight(2 * p), high = weight(2 * p + 1);
        return Tuple(rounded_pair_of_bf16(task.machine, low, high), low + high);
    };
    // Of a partial chunk the tiles alone that hold what it shows: (element in its tile, tile).
    auto of_tiles = [&](int elements, const char *name) {
        RDom over(0, elements, 0, task.shape.tiles(), name + suffix);
        over.where(list.holds_tile(over.y, c, s));
        return over;
    };
    const int head_dim = task.spec.head_dim_v, vector = task.shape.vector;
    auto value = [&](const Expr &d, const Expr &in_chunk) {
        return task.args.value(min(d, head_dim - 1), task.existing_key(list.kv(in_chunk, c), partial));
    };
    auto exponent = [](const Expr &x) { return reinterpret<uint16_t>(x) & Expr(infinity_of_bf16); };
    const bool may_hide = partial && task.rows_differ();
    if (may_hide) {
        Var v("v");
        RDom over_d(0, (head_dim + vector - 1) / vector, "over_unusual"), over_lanes(0, vector, "over_lanes");
        const Expr at = over_d * vector + v;
        chunk.unusual_lanes = Func("unusual_lanes");
        chunk.unusual_lanes(v, k, c) = cast<uint16_t>(0);
        chunk.unusual_lanes(v, k, c) =
            max(chunk.unusual_lanes(v, k, c),
                exponent(head_dim % vector == 0 ? task.args.value(at, task.existing_key(list.kv(k, c), true)) : value(at, k)));
        chunk.unusual_value = Func("unusual_value");
        chunk.unusual_value(k, c) = cast<uint16_t>(0);
        chunk.unusual_value(k, c) = max(chunk.unusual_value(k, c), chunk.unusual_lanes(over_lanes, k, c));
    }
    chunk.pairs = Func("pairs" + suffix);
    chunk.row_sums = Func("row_sums" + suffix);
    chunk.row_sums(i, j, c, s) = 0.0f;
    // Sums are of what was not rounded: lse is f32, and its bound too.
    if (partial) {
        // Keys after the last have no weights to work out: the tile across the end is emptied first.
        auto exists = [&](const Expr &in_chunk) { return list.kv(in_chunk, c) < task.args.seq_len_kv; };
        auto pair_in_chunk = [&](const RDom &over) { return over.y * tile_pairs + over.x; };
        RDom over_end = of_tiles(tile_pairs, "over_end");
        over_end.where(!exists((over_end.y + 1) * tile_kv - 1));
        chunk.over_weights = of_tiles(tile_pairs, "over_pairs");
        const Expr pair = pair_in_chunk(chunk.over_weights);
        chunk.over_weights.where(exists(2 * pair));
        chunk.pairs(i, p, c, s) = Tuple(undef<uint32_t>(), undef<float>());
        chunk.pairs(i, pair_in_chunk(over_end), c, s) = Tuple(Expr(uint32_t(0)), 0.0f);
        chunk.pairs(i, pair, c, s) = pair_of(pair);
        chunk.over_sum = of_tiles(tile_pairs / 4, "over_sum");
        chunk.row_sums(i, j, c, s) += chunk.pairs(i, chunk.over_sum.y * tile_pairs + chunk.over_sum.x * 4 + j, c, s)[1];
        chunk.over_k = of_tiles(tile_pairs, "over_k");
    } else {
        chunk.pairs(i, p, c, s) = pair_of(p);
        chunk.over_sum = RDom(0, pairs / 4, "over_sum_full");
        chunk.row_sums(i, j, c, s) += chunk.pairs(i, chunk.over_sum * 4 + j, c, s)[1];
        chunk.over_k = RDom(0, pairs, "over_k_full");
    }

    chunk.value = Func("value_pairs" + suffix);
    auto usual = [&](const Expr &in_chunk) {
        const Expr stored = value(d, in_chunk);
        return may_hide ? select(exponent(stored) == Expr(infinity_of_bf16), cast(stored.type(), 0.0f), stored) : stored;
    };
    chunk.value_tile = Func("value_tile" + suffix);
    chunk.value_tile(d, k, c) = pair_of_bf16(usual(2 * k), usual(2 * k + 1));
    if (partial) {
        const RDom over = list.existing_tiles(tile_pairs, c, "over_value");
        const Expr at = over.y * tile_pairs + over.x;
        chunk.value(d, k, c) = undef<uint32_t>();
        chunk.value(d, at, c) = chunk.value_tile(d, at, c);
    } else {
        chunk.value(d, k, c) = chunk.value_tile(d, k, c);
    }
    const Expr pair = partial ? chunk.over_k.y * tile_pairs + chunk.over_k.x : Expr(chunk.over_k);
    const Expr column = unsafe_promise_clamped(b * task.shape.tile_d + j, 0, task.value_blocks() * task.shape.tile_d - 1);
    chunk.weighted = Func("weighted" + suffix);
    chunk.weighted(i, j, b, c, s) = 0.0f;
    chunk.weighted(i, j, b, c, s) =
        dot_bf16(task.machine, chunk.weighted(i, j, b, c, s), chunk.pairs(i, pair, c, s)[0], chunk.value(column, pair, c));
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

}  // namespace attune

#include "attune/kernel.h"
#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

/// Adding it to a float of magnitude below 2^22 rounds that to an integer, which stands, plus 127, in the low bits of the sum.
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

}  // namespace

Expr float_bits(const Expr &x) {
    return reinterpret<int>(x);
}

Expr exp2_bounded(const Expr &x) {
    const Expr bounded = clamp(x, -127.0f, 127.0f);  // -127 gives exactly 0; -126 would leave hidden weights at 2^-126
    const Expr rounded = strict_float(bounded + round_magic);
    const Expr f = bounded - strict_float(rounded - round_magic);
    return exp2_polynomial(f) * exponent(float_bits(rounded));
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
    stages.query_tile(j, d, g) = task.query(d, g * vector + j);
    const int vectors = task.shape.strip / vector;
    stages.query_strip(i, d, s) = stages.query_tile(i % vector, d, s * vectors + i / vector);
    if (!task.same_keys_for_all_rows()) {
        stages.visible = Func("visible");
        stages.visible(i, s) = task.visible_keys(s * task.shape.strip + i);
    }
}

void define_scores(const AttentionTask &task, AttentionStages &stages, bool partial, const std::function<Expr(Expr, Expr)> &start) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    const std::string suffix = partial ? "_partial" : "_full";
    Var i("i"), k("k"), c("c"), s("s"), d("d");
    const Expr kv = c * task.shape.block_kv + k;
    if (task.spec.dtype != DType::f32) {
        // Clamped in full chunks too: a chunk is converted before the strips say whether they see it.
        chunk.key = Func("key" + suffix);
        chunk.value = Func("value" + suffix);
        chunk.key(d, k, c) = task.key(d, task.existing_key(kv, true));
        chunk.value(d, k, c) = task.value(d, task.existing_key(kv, true));
    }
    chunk.over_d = RDom(0, task.spec.head_dim, "over_d" + suffix);
    chunk.scores = Func("scores" + suffix);
    chunk.scores(i, k, c, s) = start(i, s);
    const Expr key = chunk.key.defined() ? chunk.key(chunk.over_d, k, c) : task.key(chunk.over_d, task.existing_key(kv, partial));
    chunk.scores(i, k, c, s) += stages.query_strip(i, chunk.over_d, s) * key;
}

Expr visible_bits(const AttentionTask &task, const AttentionStages &stages, const Expr &i, const Expr &k, const Expr &c, const Expr &s) {
    const Expr visible = task.same_keys_for_all_rows() ? Expr(task.args.seq_len_kv) : stages.visible(i, s);
    // Selected as integers and applied to bits: a select on the score itself would let Halide narrow the scores' bounds,
    // and a hidden NaN must become 0.
    return select(c * task.shape.block_kv + k < visible, -1, 0);
}

Expr hidden_logit(const Expr &score, const Expr &visible_bits) {
    const int minus_infinity = static_cast<int>(0xff800000u);
    const Expr finite = select(float_bits(score) == minus_infinity, float_bits(hidden_score), float_bits(score));
    return reinterpret<float>((finite & visible_bits) | (float_bits(hidden_score) & ~visible_bits));
}

void define_weighted(const AttentionTask &task, AttentionStages &stages, bool partial) {
    ChunkStages &chunk = partial ? stages.partial : stages.full;
    const std::string suffix = partial ? "_partial" : "_full";
    Var i("i"), j("j"), b("b"), c("c"), s("s");
    const int block_kv = task.shape.block_kv;
    chunk.over_sum = RDom(0, block_kv / 4, "over_sum" + suffix);
    chunk.row_sums = Func("row_sums" + suffix);
    chunk.row_sums(i, j, c, s) = 0.0f;
    chunk.row_sums(i, j, c, s) += chunk.weights(i, chunk.over_sum * 4 + j, c, s);

    chunk.over_k = RDom(0, block_kv, "over_k" + suffix);
    const Expr k = chunk.over_k, kv = c * block_kv + k;
    // Halide cannot know that the state block takes no values.
    const Expr d = unsafe_promise_clamped(b * task.shape.tile_d + j, 0, task.value_blocks() * task.shape.tile_d - 1);
    if (partial && task.same_keys_for_all_rows())
        chunk.over_k.where(kv < task.args.seq_len_kv);
    const Expr existing = task.existing_key(kv, partial);
    const Expr value = chunk.value.defined() ? chunk.value(d, k, c) : task.value(d, existing);
    chunk.weighted = Func("weighted" + suffix);
    chunk.weighted(i, j, b, c, s) = 0.0f;
    const Expr sum = chunk.weighted(i, j, b, c, s), next = sum + chunk.weights(i, k, c, s) * value;
    // 0 * NaN would leak from a key that only some rows see: their update is masked, which AVX-512 folds into the FMA.
    const bool masked = partial && !task.same_keys_for_all_rows();
    chunk.weighted(i, j, b, c, s) = masked ? select(kv < stages.visible(i, s), next, sum) : next;
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
    stages.accumulator(i, j, b, s) = select(likely(b < task.value_blocks()), old + chunk.weighted(i, j, b, loop, s), state);
}

void define_exact_result(const AttentionTask &task, AttentionStages &stages) {
    Var i("i"), s("s");
    const Expr row = min(s * task.shape.strip + i, task.args.rows() - 1);
    const Expr sum = row_sum(task, stages, i, s), sum_bits = float_bits(sum);
    const Expr empty = sum_bits == 0;
    stages.state = Func("state");
    stages.state(i, s) = task.args.row_class(row);
    stages.inverse = Func("inverse");
    stages.inverse(i, s) = select(empty, 0.0f, 1.0f / sum);
    const Expr lse = stages.accumulator(i, 1, task.value_blocks(), s) * static_cast<float>(M_LN2) + log(sum);
    const Expr lse_bits = select((sum_bits & 0x7fffffff) > infinity_bits, 0x7fc00000, float_bits(lse));  // log(NaN) is not one
    stages.row_lse = Func("row_lse");
    stages.row_lse(i, s) = reinterpret<float>(select(empty, static_cast<int>(0xff800000u), lse_bits));
}

namespace {

/// x as the output's type. A NaN stays one: Halide's emulated conversions to half types make numbers of it.
Expr as_output(const Expr &x, const Type &type) {
    const Expr rounded = cast(type, x);
    if (type == Float(32))
        return rounded;
    const int nan = type.is_bfloat() ? 0x7fc0 : 0x7e00;
    const Expr is_nan = (float_bits(x) & 0x7fffffff) > infinity_bits;
    return reinterpret(type, select(is_nan, cast<uint16_t>(nan), reinterpret<uint16_t>(rounded)));
}

}  // namespace

void define_outputs(const AttentionTask &task, AttentionStages &stages, int stored) {
    Var d("d"), j("j"), g("g"), row("row");
    const int vector = task.shape.vector, strip = task.shape.strip, vectors = strip / vector;
    const Expr rows = task.args.rows();
    stages.output_tile = Func("output_tile");
    const Expr i = (g % vectors) * vector + j, s = g / vectors;
    stages.output_tile(d, j, g) = stages.accumulator(i, d % task.shape.tile_d, d / task.shape.tile_d, s) * stages.inverse(i, s);

    stages.output_rows = RDom(0, vector, 0, (rows + vector - 1) / vector, "output_rows");
    const Expr rj = stages.output_rows.x, rg = stages.output_rows.y, tile_row = rg * vector + rj;
    stages.output_rows.where(tile_row < rows && stages.state((rg % vectors) * vector + rj, rg / vectors) == stored);
    stages.output = Func("output");
    stages.output(d, row) = undef(task.type());
    stages.output(d, clamp(tile_row, 0, rows - 1)) = as_output(stages.output_tile(d, rj, rg), task.type());

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

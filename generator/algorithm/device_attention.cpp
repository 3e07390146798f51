#include "generator/algorithm/device_attention.h"
#include "generator/algorithm/half_bits.h"
#include "generator/gpu/markers.h"

#include <algorithm>
#include <cmath>

namespace attune {

using namespace Halide;

namespace {

/// sigmoid(x / log2(e)) with an exponential that takes no positive argument. A NaN stays one.
Expr sigmoid_of_log2(const Expr &x, const Expr &exp2_of_minus_abs) {
    const Expr weight = select(x >= 0.0f, 1.0f, exp2_of_minus_abs) / (1.0f + exp2_of_minus_abs);
    const Expr is_nan = (float_bits(x) & 0x7fffffff) > infinity_bits;
    return reinterpret<float>(select(is_nan, 0x7fc00000, float_bits(weight)));
}

}  // namespace

Expr DeviceTask::load(const ImageParam &tensor, const std::vector<Expr> &at) const {
    const Expr element = tensor(at);
    if (tensor.type() != UInt(16))
        return cast<float>(element);
    return spec.dtype == DType::bf16 ? f32_of_bf16_bits(element) : f32_of_half_bits(element);
}

void DeviceTask::define_chunk(DeviceChunk &chunk, const Func &query, bool masked) const {
    const std::string suffix = masked ? "_masked" : "_full";
    Var i("i"), d("d"), k("k"), t("t"), c("c"), qb("qb"), hb("hb"), b("b");
    const std::vector<Expr> of_block = {c, qb, hb, b};
    auto with_block = [&](std::vector<Expr> index) {
        index.insert(index.end(), of_block.begin(), of_block.end());
        return index;
    };
    auto vars = [&](std::vector<Var> index) {
        for (const Var &v : {c, qb, hb, b})
            index.push_back(v);
        return index;
    };
    auto func = [&](const char *name) { return Func(name + suffix); };
    const int keys = shape.keys_of_thread(), tiles = shape.threads_x;
    const Place at = place(qb, hb, b);
    const Expr kv = first_key(at, c) + k, key = masked ? existing_key(at, kv) : kv;
    auto padded = [&](const ImageParam &tensor, int columns, int existing_columns) {
        auto element = [&](const Expr &d) { return load(tensor, {d, packed_key(at, key), kv_head(at), b}); };
        if (columns == existing_columns)
            return element(d);
        return select(d < existing_columns, element(min(d, existing_columns - 1)), 0.0f);
    };
    chunk.key = func("key");
    chunk.key(vars({d, k})) = padded(args.key, padded_head_dim(), spec.head_dim);
    chunk.over_d = RDom(0, padded_head_dim(), "over_d" + suffix);
    chunk.scores = func("scores");
    chunk.scores(vars({i, k})) = 0.0f;
    chunk.scores(vars({i, k})) += query(chunk.over_d, i, qb, hb, b) * chunk.key(with_block({chunk.over_d, k}));

    const Expr row = existing(row_of(at, i)), logit = logit_of(at, row, key, chunk.scores(with_block({i, k})));
    Expr visible = Internal::const_true();
    if (masked)
        visible = kv < at.length_kv && (spec.block_mask ? is_listed_full(at, c) || sees(at, row, key) : sees(at, row, key));
    const bool hides_some = masked || score_may_hide(spec);
    chunk.logits = func("logits");
    chunk.logits(vars({i, k})) = hides_some ? shown_logit(visible, logit) : logit;

    chunk.over_keys = RDom(0, shape.block_kv, "over_keys" + suffix);
    const Expr of_pair = chunk.logits(with_block({i, k}));
    Expr value = padded(args.value, shape.padded_head_dim_v(spec.head_dim_v), spec.head_dim_v), weight;
    if (is_softmax()) {
        chunk.over_tile_maxima = RDom(0, keys, "over_tile_maxima" + suffix);
        chunk.over_maxima = RDom(0, tiles, "over_maxima" + suffix);
        chunk.tile_maximum = func("tile_maximum");
        chunk.tile_maximum(vars({i, t})) = first_maximum;
        chunk.tile_maximum(vars({i, t})) =
            max(chunk.tile_maximum(with_block({i, t})), chunk.logits(with_block({i, t * keys + chunk.over_tile_maxima})));
        chunk.maximum = func("maximum");
        chunk.maximum(vars({i, t})) = first_maximum;
        chunk.maximum(vars({i, t})) = max(chunk.maximum(with_block({i, t})), chunk.tile_maximum(with_block({i, chunk.over_maxima})));
        weight = exp2(of_pair - chunk.maximum(with_block({i, k / keys})));
        // After the keys' last reader, so that it takes their place: 64 rows x 64 keys at head_dim 128 take 96 KB of shared memory, not 112.
        value = after(value, chunk.maximum(with_block({0, 0})));
    } else {
        weight = spec.normalizer == Normalizer::relu ? relu_of_log2(of_pair) : sigmoid_of_log2(of_pair, exp2(-abs(of_pair)));
    }
    chunk.value = func("value");
    chunk.value(vars({d, k})) = value;
    chunk.weights = func("weights");
    chunk.weights(vars({i, k})) = hides_some ? shown_weight(float_bits(of_pair) != float_bits(hidden_score), weight) : weight;
    if (is_softmax()) {
        chunk.over_tile_sums = RDom(0, keys, "over_tile_sums" + suffix);
        chunk.tile_sum = func("tile_sum");
        chunk.tile_sum(vars({i, t})) = 0.0f;
        chunk.tile_sum(vars({i, t})) += chunk.weights(with_block({i, t * keys + chunk.over_tile_sums}));
    }

    // A hidden weight would meet a value that may be a NaN: it has no part in the sum.
    chunk.weighted = func("weighted");
    chunk.weighted(vars({i, d})) = 0.0f;
    const Expr so_far = chunk.weighted(with_block({i, d})), of_key = chunk.weights(with_block({i, chunk.over_keys}));
    const Expr next = so_far + of_key * chunk.value(with_block({d, chunk.over_keys}));
    chunk.weighted(vars({i, d})) = hides_some ? select(reinterpret<uint32_t>(of_key) < Expr(0x7fffffffu), next, so_far) : next;
}

/// The sums of the tiles of all threads of a row.
void DeviceTask::define_row_sum(DeviceStages &stages) const {
    Var i("i"), t("t"), qb("qb"), hb("hb"), b("b");
    stages.tile_sums = Func("tile_sums");
    stages.tile_sums(i, t, qb, hb, b) = stages.state(i, t * shape.columns_of_thread(spec.head_dim_v), qb, hb, b)[1];
    stages.over_tile_sums = RDom(0, shape.threads_x, "over_tile_sums");
    stages.row_sum = Func("row_sum");
    stages.row_sum(i, qb, hb, b) = 0.0f;
    stages.row_sum(i, qb, hb, b) += stages.tile_sums(i, stages.over_tile_sums, qb, hb, b);
}

/// Decode: the output is what a part makes of each row, whether it is in use or not; its maximum and sum go beside it.
void DeviceTask::define_parts(DeviceStages &stages) const {
    Var i("i"), t("t"), d("d"), r("r"), qb("qb"), hb("hb"), b("b");
    define_row_sum(stages);
    stages.row_lse = Func("row_maximum_and_sum");
    stages.row_lse(i, t, qb, hb, b) = stored_too(select(t == 0, stages.state(i, 0, qb, hb, b)[0], stages.row_sum(i, qb, hb, b)),
                                                 args.lse(part_values(spec) + t, qb * shape.block_q + i, hb, b), Internal::const_true());
    stages.output = Func("output");
    const Expr ri = r % shape.block_q, rb = r / shape.block_q;
    const Expr result = after(stages.state(ri, d, rb, hb, b)[2], stages.query(0, ri, rb, hb, b));
    stages.output(d, r, hb, b) = after(result, stages.row_lse(ri, 0, rb, hb, b) + stages.row_lse(ri, 1, rb, hb, b));
}

DeviceStages DeviceTask::define() const {
    DeviceStages stages;
    Var i("i"), t("t"), d("d"), qb("qb"), hb("hb"), b("b"), head("folded_head"), position("position");
    const Place at = place(qb, hb, b);
    const Expr row = existing(row_of(at, i));
    stages.query = Func("query_block");
    auto element = [&](const Expr &d) { return load(args.query, {d, head_in_fold(row), packed_row(at, position_of(row)), hb, b}); };
    const Expr loaded =
        padded_head_dim() == spec.head_dim ? element(d) : select(d < spec.head_dim, element(min(d, spec.head_dim - 1)), 0.0f);
    stages.query(d, i, qb, hb, b) = loaded * static_cast<float>(scale());

    define_chunk(stages.full, stages.query, false);
    define_chunk(stages.masked, stages.query, true);

    const int columns = shape.columns_of_thread(spec.head_dim_v);
    stages.state = Func("state");
    if (is_softmax())
        stages.state(i, d, qb, hb, b) = Tuple(Expr(first_maximum), Expr(0.0f), Expr(0.0f));
    else
        stages.state(i, d, qb, hb, b) = 0.0f;
    const Chunks chunks = chunks_of(at);
    for (DeviceChunk *chunk : {&stages.full, &stages.masked}) {
        const bool masked = chunk == &stages.masked;
        chunk->loop = RDom(0, all_chunks(), masked ? "masked_chunk" : "full_chunk");
        const Expr c = chunk->loop;
        const Expr kind = kind_of_chunk(at, c, keys_left(at, c));
        chunk->loop.where(loop_turns(c, chunks.first, chunks.end, kind == int(masked ? chunk_masked : chunk_full)));
        if (!is_softmax()) {
            stages.state(i, d, qb, hb, b) += chunk->weighted(i, d, c, qb, hb, b);
            continue;
        }
        const Expr m = stages.state(i, d, qb, hb, b)[0], l = stages.state(i, d, qb, hb, b)[1], o = stages.state(i, d, qb, hb, b)[2];
        const Expr of_chunk = chunk->maximum(i, d / columns, c, qb, hb, b), larger = max(m, of_chunk);
        const Expr before = exp2(m - larger), now = exp2(of_chunk - larger);
        stages.state(i, d, qb, hb, b) = Tuple(larger, l * before + chunk->tile_sum(i, d / columns, c, qb, hb, b) * now,
                                              o * before + chunk->weighted(i, d, c, qb, hb, b) * now);
    }

    if (block.split_keys) {
        define_parts(stages);
        return stages;
    }

    stages.output = Func("output");
    const Expr r = position * shape.fold + head, ri = r % shape.block_q, rb = r / shape.block_q;
    // The query's shared memory is needed until the last loop has ended: Halide 21 gives memory whose last reader stands in a loop to what that
    // loop stages after the reader, which the loop's next turn would then read.
    auto output = [&](const Expr &normalised) {
        return after(stored(select(position < at.length_q, normalised, 0.0f)), stages.query(0, ri, rb, hb, b));
    };
    const Expr is_written = r < rows_written(at);
    if (!is_softmax()) {
        stages.output(d, head, position, hb, b) = stored_later(output(stages.state(ri, d, rb, hb, b)), at.first_q, is_written);
        return stages;
    }

    define_row_sum(stages);

    /// The row's maximum and sum with its sink, and the factor that what came before takes.
    struct Total {
        Expr maximum, sum, rescale;
    };
    auto total = [&](const Expr &i, const Expr &d, const Expr &qb, const Expr &h) -> Total {
        const Expr m = stages.state(i, d, qb, hb, b)[0], l = stages.row_sum(i, qb, hb, b);
        const Expr sink = sink_of(at, h);
        if (!sink.defined())
            return {m, l, 1.0f};
        const Expr larger = max(m, max(sink, hidden_score)), rescale = exp2(m - larger);
        return {larger, l * rescale + exp2(sink - larger), rescale};
    };

    // The row's lse, from the thread that owns its first column.
    stages.row_lse = Func("row_lse");
    const Expr is_used = row < rows_in_use(at);
    const Total of_row = total(i, 0, qb, head_of(at, row));
    const Expr lse = select(is_used, lse_of_sum(of_row.maximum, of_row.sum), reinterpret<float>(Expr(int(minus_infinity_bits))));
    stages.row_lse(i, t, qb, hb, b) = spec.lse ? stored_too(lse, args.lse(head_in_fold(row), packed_row(at, position_of(row)), hb, b),
                                                            row_of(at, i) < rows_written(at) && args.writes_lse != 0)
                                               : lse;

    const Total of_output = total(ri, d, rb, hb * shape.fold + head);
    const Expr normalised =
        stages.state(ri, d, rb, hb, b)[2] * select(float_bits(of_output.sum) == 0, 0.0f, of_output.rescale / of_output.sum);
    const Expr result = output(normalised);
    stages.output(d, head, position, hb, b) =
        stored_later(spec.lse ? after(result, stages.row_lse(ri, 0, rb, hb, b)) : result, at.first_q, is_written);
    return stages;
}

}  // namespace attune

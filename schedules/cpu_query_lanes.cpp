#include "schedules/cpu_query_lanes.h"

#include "schedules/transposed_tile.h"
#include "schedules/visit_loop.h"

#include <numeric>

namespace attune {

using namespace Halide;

namespace {

// The dimensions by the names that the algorithms gave them.
const Var i("i"), k("k"), j("j"), d("d"), c("c"), s("s"), g("g"), t("t"), b("b"), row("row"), p_("p");

class QueryLanes {
public:
    QueryLanes(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &p)
        : task(task), stages(stages), p(p), vector(task.shape.vector), strip(task.shape.strip) {}

    /// Head dims of a transposed tile, of the query and of the output: 8 take 4 KB more of shuffles and their indices than 4. Each line of
    /// the cold query is touched once a tile, so 8 saves 10 % of a window of 256 keys, half of it in the output. Rows that see all keys
    /// before them hide both; the online algorithm, nearly always the fallback, is kept small, and so are half types, whose conversions
    /// take code already.
    int transposed_dims() const {
        if (task.shape.matrix_tiles)
            return 16;
        const std::string mask = task.spec.mask_text();
        const bool long_rows = mask == "none" || mask == "causal" || mask == "causal_top_left";
        return stages.wanted.defined() || long_rows || task.spec.dtype != DType::f32 ? 4 : 8;
    }

    /// Transposes through small tiles, all head dims of a vector of rows in turn, so that the rows' addresses are worked out once.
    void query() {
        const bool quantised = task.shape.scores == Products::i8_quads;
        const int steps = quantised ? task.spec.head_dim : task.product_steps(), dims = std::gcd(steps, transposed_dims());
        Func transposed = quantised ? stages.query_scales.strip : stages.query_strip;
        if (quantised)
            quantised_query();
        Var dt("dt"), it("it");
        transposed.compute_root()
            .bound_extent(i, strip)
            .bound_extent(d, steps)
            .bound_storage(s, task.strips())
            .split(d, dt, d, dims)
            .split(i, it, i, vector)
            .reorder(i, d, dt, it, s)
            .vectorize(i)
            .unroll(d)
            .never_partition_all();
        schedule_transposed_tile(stages.query_tile, LoopLevel(transposed, dt), j, vector, d, dims, g);
        if (stages.wanted.defined())
            stages.wanted.bound_storage(s, task.strips());
        for (Func f : {stages.rows.position, stages.rows.head})
            if (f.defined())
                per_row(f);
        if (stages.reference.defined() && !stages.reference.has_update_definition())
            per_row(stages.reference);
    }

    /// Rows in lanes; each of the passes over the f32 query is cheap beside its transposing.
    void quantised_query() {
        QueryScales &scales = stages.query_scales;
        stages.query_strip.compute_root()
            .bound_extent(i, strip)
            .bound_extent(d, task.product_steps())
            .bound_storage(s, task.strips())
            .reorder(i, d, s)
            .vectorize(i, vector)
            .never_partition_all();
        per_row(scales.scale);
        for (Func f : {scales.largest, scales.mean_product, scales.unsigned_sum}) {
            per_row(f);
            f.update().reorder(i, f.rvars(0)[0], s).vectorize(i, vector).unroll(i).never_partition_all();
        }
        scales.shared_visit.compute_root();
        scales.key_mean.compute_root().bound_extent(d, task.spec.head_dim).vectorize(d, vector, TailStrategy::GuardWithIf);
        scales.key_mean.update().reorder(d, scales.key_mean.rvars(0)[0]).vectorize(d, vector, TailStrategy::GuardWithIf);
    }

    /// A value a row: whole strips, in lanes.
    void per_row(Func f) {
        f.compute_root().bound_extent(i, strip).bound_storage(s, task.strips()).vectorize(i, vector).never_partition_all();
    }

    /// A value a row of a strip, of one chunk: in registers or on the stack.
    Func &per_row_of_chunk(Func &f, const LoopLevel &at_strip) {
        return f.compute_at(at_strip).bound_extent(i, strip).bound_extent(c, 1).store_in(MemoryType::Stack).vectorize(i, vector).unroll(i);
    }

    /// Blocks of columns; of partial chunks each asks memory ahead (partial_asks).
    Var columns(bool partial, const std::string &suffix) const {
        const bool asks = partial && !task.shape.matrix_tiles && partial_asks(task.spec, task.shape) > 0;
        return Var((asks ? visit_loop + std::string("_columns") : "b") + suffix);
    }

    /// The loops of one update of the fixed reference's accumulator, outermost first: chunk, strip, columns. A strip's weights are
    /// used while they are in L1, a chunk of keys and values serves all strips.
    void chunk_loop(ChunkStages &chunk, int update, const RDom &loop) {
        const std::string suffix = "_" + std::to_string(update);
        const bool partial = &chunk == &stages.partial;
        Var so((task.shape.matrix_tiles && !partial ? "s" : visit_loop) + suffix), bo = columns(partial, suffix);
        Stage add = stages.accumulator.update(update);
        add.rename(s, so).rename(b, bo).reorder(i, j, bo, so, loop).vectorize(i, vector).never_partition(so, loop);
        if (!values_in_tiles(chunk))  // where they are, nothing is left of these loops (backend/accumulated_contractions.h)
            add.unroll(i).unroll(j);
        key(chunk, LoopLevel(stages.accumulator, RVar(loop)));
        place_chunk(chunk, LoopLevel(stages.accumulator, RVar(loop)), LoopLevel(stages.accumulator, so), LoopLevel(stages.accumulator, bo));
    }

    bool values_in_tiles(const ChunkStages &chunk) const { return task.shape.matrix_tiles && chunk.pairs.defined(); }

    /// The same for the online algorithm, whose columns are a reduction: the maximum's must be the last to change.
    void online_chunk_loop(ChunkStages &chunk, int update, const RDom &loop) {
        const std::string suffix = "_" + std::to_string(update);
        Var so(visit_loop + suffix);
        Stage add = stages.accumulator.update(update);
        add.rename(s, so).reorder(i, loop.x, loop.y, so, loop.z).vectorize(i, vector).unroll(i).unroll(loop.x).never_partition(so, loop.z);
        const LoopLevel at_strip(stages.accumulator, so);
        key(chunk, LoopLevel(stages.accumulator, RVar(loop.z)));
        place_chunk(chunk, LoopLevel(stages.accumulator, RVar(loop.z)), at_strip, LoopLevel(stages.accumulator, RVar(loop.y)));
        keep_logits(chunk, at_strip);
        chunk.logits.bound_extent(c, 1);
        const bool partial = &chunk == &stages.partial;
        per_row_of_chunk(chunk.maximum, at_strip);
        if (partial)
            chunk.maximum.update().reorder(i, chunk.over_max.x, chunk.over_max.y).vectorize(i, vector).unroll(i);
        else
            chunk.maximum.update().reorder(i, chunk.over_max).vectorize(i, vector).unroll(i).unroll(chunk.over_max, 2);
    }

    /// The full row: a strip keeps the logits of all its chunks, so the strip is the outer loop.
    void full_row_loop(ChunkStages &chunk, const RDom &loop) {
        Var so("s_0"), bo = columns(true, "_0");
        Stage add = stages.accumulator.update(0);
        add.rename(s, so).rename(b, bo).reorder(i, j, bo, loop, so).vectorize(i, vector).unroll(i).unroll(j).never_partition(so);
        const LoopLevel at_strip(stages.accumulator, so);
        place_chunk(chunk, LoopLevel(stages.accumulator, RVar(loop)), LoopLevel(stages.accumulator, RVar(loop)),
                    LoopLevel(stages.accumulator, bo));
        keep_logits(chunk, at_strip);
        key(chunk, LoopLevel(chunk.logits, c));
        stages.reference.compute_at(at_strip).bound_extent(i, strip).store_in(MemoryType::Stack).vectorize(i, vector).unroll(i);
        stages.reference.update()
            .reorder(i, chunk.over_max.x, chunk.over_max.y, chunk.over_max.z)
            .vectorize(i, vector)
            .unroll(i)
            .unroll(chunk.over_max.x, 2)
            .never_partition(chunk.over_max.z);
    }

    /// Logits are kept for the maximum; weights then follow in a pass of their own.
    void keep_logits(ChunkStages &chunk, const LoopLevel &at_strip) { tiles(chunk, chunk.logits, chunk.over_logits, at_strip); }

    // Weights are on the stack up to 16 KB, by Halide's own rule; asked for in words, a larger strip would be kept until the function ends.
    void place_chunk(ChunkStages &chunk, const LoopLevel &at_chunk, const LoopLevel &at_strip, const LoopLevel &at_columns) {
        const bool partial = &chunk == &stages.partial;
        const bool scores_in_tiles = task.shape.matrix_tiles && (!partial || chunk.pairs.defined());
        if (values_in_tiles(chunk))
            transposed_value(chunk, at_chunk);
        else
            converted(chunk.value, at_chunk, chunk.pairs.defined() ? p.block_kv / 2 : p.block_kv);
        if (chunk.unusual_value.defined())
            unusual_value(chunk, at_chunk);
        if (scores_in_tiles && partial) {
            const RVar pair = chunk.over_weights.x, tile = chunk.over_weights.y;
            chunk.pairs.compute_at(at_strip).bound_extent(i, strip).bound_extent(p_, p.block_kv / 2).bound_extent(c, 1);
            const std::vector<RVar> end = chunk.pairs.rvars(0);
            chunk.pairs.update(0).reorder(i, end[0], end[1]).vectorize(i, vector).unroll(i).never_partition(end[1]);
            chunk.pairs.update(1).reorder(i, pair, tile).vectorize(i, vector).unroll(i).never_partition(tile);
            contraction(chunk.scores, LoopLevel(chunk.pairs, tile))
                .bound_extent(k, task.shape.tile_kv)
                .vectorize(i, vector)
                .update()
                .reorder(chunk.over_d, i, k);
        } else if (scores_in_tiles) {
            Func weights = chunk.pairs.defined() ? chunk.pairs : chunk.weights;
            const Var key = chunk.pairs.defined() ? p_ : k;
            weights.compute_at(at_strip)
                .bound_extent(i, strip)
                .bound_extent(key, chunk.pairs.defined() ? p.block_kv / 2 : p.block_kv)
                .bound_extent(c, 1)
                .reorder(i, key, c, s)
                .vectorize(i, vector)
                .unroll(i);
            contraction(chunk.scores, at_strip).bound_extent(k, p.block_kv).vectorize(i, vector).update().reorder(chunk.over_d, i, k);
        } else if (chunk.pairs.defined()) {
            Var tile("tile");
            chunk.pairs.compute_at(at_strip)
                .bound_extent(i, strip)
                .bound_extent(p_, p.block_kv / 2)
                .bound_extent(c, 1)
                .split(p_, tile, p_, p.tile_kv / 2)
                .reorder(i, p_, tile, c, s)
                .vectorize(i, vector)
                .unroll(i)
                .unroll(p_);
            scores(chunk, LoopLevel(chunk.pairs, tile));
        } else if (!chunk.logits.defined()) {
            tiles(chunk, chunk.weights, chunk.over_weights, at_strip);
            chunk.weights.bound_extent(c, 1);
        } else {
            chunk.weights.compute_at(at_strip).bound_extent(i, strip).bound_extent(k, p.block_kv).bound_extent(c, 1);
            if (partial)
                chunk.weights.update()
                    .reorder(i, chunk.over_weights.x, chunk.over_weights.y)
                    .vectorize(i, vector)
                    .unroll(i)
                    .never_partition(chunk.over_weights.y);
            else
                chunk.weights.vectorize(i, vector).unroll(i);
        }
        per_row_of_chunk(chunk.row_sums, at_strip).bound_extent(j, 4).unroll(j);
        Stage sums = chunk.row_sums.update();
        if (partial)
            sums.reorder(i, j, chunk.over_sum.x, chunk.over_sum.y).never_partition(chunk.over_sum.y);
        else
            sums.reorder(i, j, chunk.over_sum);
        sums.vectorize(i, vector).unroll(i).unroll(j);
        chunk.weighted.compute_at(at_columns)
            .bound_extent(i, strip)
            .bound_extent(c, 1)
            .bound_extent(j, p.tile_d)
            .bound_extent(b, 1)
            .vectorize(i, lanes(chunk.weighted))
            .unroll(i)
            .unroll(j);
        if (chunk.hides.defined()) {
            per_row_of_chunk(chunk.signs, at_strip);
            chunk.signs.update().reorder(i, chunk.over_signs).vectorize(i, vector).unroll(i);
            chunk.hides.compute_at(at_strip).bound_extent(c, 1);
            // Half the columns at a time: selections take registers, and where these accumulators do not fit, LLVM spills those of the first
            // update too, whose loop on avx2 then takes twice as long.
            Var half("half");
            chunk.weighted.update(1)
                .split(j, half, j, p.tile_d % 2 == 0 ? p.tile_d / 2 : 1)
                .reorder(i, j, chunk.over_shown_k, half)
                .vectorize(i, vector)
                .unroll(i)
                .unroll(j);
        }
        Stage weighted = chunk.weighted.update();
        if (values_in_tiles(chunk)) {
            if (partial)
                weighted.reorder(chunk.over_k.x, i, j, chunk.over_k.y).never_partition(chunk.over_k.y);
            else
                weighted.reorder(chunk.over_k, i, j);
            return;
        }
        if (const int columns = held(chunk.weighted, p.tile_d); columns < p.tile_d) {
            Var some("some");
            weighted.split(j, some, j, columns);
        }
        if (chunk.over_k.dimensions() == 2)
            weighted.reorder(i, j, chunk.over_k.x, chunk.over_k.y).never_partition(chunk.over_k.y).unroll(chunk.over_k.x);
        else
            weighted.reorder(i, j, chunk.over_k);
        weighted.vectorize(i, lanes(chunk.weighted)).unroll(i).unroll(j);
        if (!partial)
            weighted.unroll(chunk.over_k, p.unroll);
    }

    void unusual_value(ChunkStages &chunk, const LoopLevel &at) {
        const Var v("v");
        chunk.unusual_value.compute_at(at).bound_extent(k, p.block_kv).bound_extent(c, 1).never_partition_all();
        Stage over_lanes = chunk.unusual_value.update();
        over_lanes.atomic().vectorize(chunk.unusual_value.rvars(0)[0]);
        chunk.unusual_lanes.compute_at(chunk.unusual_value, k)
            .bound_extent(v, vector)
            .vectorize(v)
            .update()
            .vectorize(v)
            .unroll(chunk.unusual_lanes.rvars(0)[0]);
    }

    /// A stage that matrix tiles compute: loops of scalars, which become one call (backend/tile_contractions.h).
    Func &contraction(Func &f, const LoopLevel &at) {
        return f.compute_at(at).bound_extent(i, strip).bound_extent(c, 1).never_partition_all();
    }

    /// Values with keys innermost, through small tiles as the query is.
    void transposed_value(ChunkStages &chunk, const LoopLevel &at) {
        constexpr int edge = 16;
        Var dt("dt"), kt("kt");
        chunk.value.compute_at(at).bound_extent(k, p.block_kv / 2).bound_extent(c, 1).reorder_storage(k, d, c).never_partition_all();
        const bool partial = chunk.value.has_update_definition();
        const VarOrRVar pair = partial ? VarOrRVar(chunk.value.rvars(0)[0]) : VarOrRVar(k),
                        tile = partial ? VarOrRVar(chunk.value.rvars(0)[1]) : VarOrRVar(kt);
        Stage pairs = partial ? chunk.value.update() : Stage(chunk.value.split(k, kt, k, edge));
        pairs.split(d, dt, d, edge, TailStrategy::RoundUp)
            .reorder(pair, d, dt, tile, c)
            .allow_race_conditions()
            .vectorize(pair)
            .unroll(d)
            .never_partition_all();
        // Read as it lies first: between strided stores that work out addresses Halide sees no transpose. Row by row, so that a group's keys are one stream from
        // memory: 1 to 2 % of 256 to 4096 keys.
        Func transposed = chunk.value_tile.in(chunk.value);
        for (Func tile : {chunk.value_tile, transposed})
            tile.compute_at(chunk.value, dt)
                .bound_extent(k, edge)
                .bound_extent(c, 1)
                .reorder(d, k, c)
                .vectorize(d, edge, TailStrategy::RoundUp)
                .unroll(k)
                .store_in(MemoryType::Stack);
        transposed.reorder_storage(k, d, c);
    }

    /// A register's lanes of a Func's elements.
    int lanes(const Func &f) const { return f.types()[0].bits() == 16 ? 2 * vector : vector; }

    /// How many of `wanted` sums over a strip registers hold at a time. The tiles of halves and of matrices are wider than those of f32, which partial
    /// chunks and the exact algorithm sum in the same kernel.
    int held(const Func &sums, int wanted) const {
        constexpr int most_accumulators = 24, fewer = 4;
        return strip / lanes(sums) * wanted > most_accumulators ? std::gcd(fewer, wanted) : wanted;
    }

    void key(ChunkStages &chunk, const LoopLevel &at) {
        converted(chunk.key, at, p.block_kv);
        KeyScales &scales = chunk.key_scales;
        if (!scales.scale.defined())
            return;
        const Var v("v");
        scales.scale.compute_at(at).bound_extent(k, p.block_kv).bound_extent(c, 1).never_partition_all();
        scales.lane_largest.compute_at(scales.scale, k).bound_extent(v, vector).vectorize(v).update().vectorize(v).unroll(scales.over_d);
    }

    /// A chunk of keys or values as products take them, where the tensors are not that.
    void converted(Func f, const LoopLevel &at, int keys) {
        if (!f.defined())
            return;
        f.compute_at(at).bound_extent(k, keys).bound_extent(c, 1).never_partition_all();
        Stage rows = f.has_update_definition() ? f.update() : Stage(f);
        if (f.has_update_definition())
            rows.reorder(d, f.rvars(0)[0], f.rvars(0)[1], c);
        rows.vectorize(d, vector, TailStrategy::GuardWithIf).never_partition_all();
    }

    /// Strip x block_kv, walked in register tiles of tile_kv keys; `over`: those that a partial chunk visits.
    void tiles(ChunkStages &chunk, Func f, const RDom &over, const LoopLevel &at) {
        f.compute_at(at).bound_extent(i, strip).bound_extent(k, p.block_kv);
        if (over.defined()) {
            // A loop over a register tile's keys, not all of them side by side: mask and score take much code, and few chunks are partial.
            RVar tile("tile"), key("key");
            f.update()
                .split(over.x, tile, key, p.tile_kv)
                .reorder(i, key, tile, over.y)
                .vectorize(i, vector)
                .unroll(i)
                .never_partition(over.y);
            scores(chunk, LoopLevel(f, tile));
            return;
        }
        Var kt("kt");
        f.split(k, kt, k, p.tile_kv).reorder(i, k, kt, c, s).vectorize(i, lanes(f)).unroll(i).unroll(k);
        scores(chunk, LoopLevel(f, kt));
    }

    void scores(ChunkStages &chunk, const LoopLevel &at) {
        // The fallback of the fixed reference, which has partial chunks only, is kept small.
        const bool is_fallback = stages.wanted.defined() && !stages.full.scores.defined();
        const int steps = is_fallback ? 1 : p.unroll;
        chunk.scores.compute_at(at)
            .bound_extent(i, strip)
            .bound_extent(c, 1)
            .bound_extent(k, p.tile_kv)
            .vectorize(i, lanes(chunk.scores))
            .unroll(i)
            .unroll(k);
        for (ScoreArray &array : chunk.arrays)
            score_array(array, at);
        Stage sum = chunk.scores.update();
        if (const int keys = held(chunk.scores, p.tile_kv); keys < p.tile_kv) {
            Var some("some");
            sum.split(k, some, k, keys);
        }
        sum.reorder(i, k, chunk.over_d).vectorize(i, lanes(chunk.scores)).unroll(i).unroll(k).unroll(chunk.over_d, steps);
    }

    /// Transposed as the query is.
    void score_array(ScoreArray &array, const LoopLevel &at) {
        const int keys = task.shape.array_keys;
        array.tile.compute_at(at)
            .bound_extent(j, vector)
            .bound_extent(k, keys)
            .bound_extent(g, p.tile_q)
            .bound_extent(t, p.tile_kv / keys)
            .bound_extent(c, 1)
            .store_in(MemoryType::Stack)
            .never_partition_all();
        array.tile.update(0).reorder(array.inside, j, g, t).vectorize(array.inside).unroll(j).specialize(array.keys_are_dense);
        array.tile.update(1).reorder(j, array.across, g, t).vectorize(j);
    }

    void accumulator() {
        stages.accumulator.compute_root()
            .bound_extent(i, strip)
            .bound_extent(j, p.tile_d)
            .bound_extent(b, task.value_blocks() + 1)
            .bound_storage(s, task.strips())
            .vectorize(i, vector)
            .unroll(i)
            .never_partition_all();
    }

    void results() {
        for (Func f : {stages.inverse, stages.row_lse, stages.state})
            per_row(f);
        if (stages.largest.defined()) {
            per_row(stages.largest);
            stages.largest.update().vectorize(i, vector);
        }
        const int dims = std::gcd(task.spec.head_dim_v, transposed_dims());
        Var dt("dt");
        const RVar rj = stages.output_rows.x, rg = stages.output_rows.y;
        stages.output.bound(d, 0, task.spec.head_dim_v);
        stages.output.update().split(d, dt, d, dims).reorder(d, rj, dt, rg).vectorize(d).never_partition(rj, dt, rg);
        stages.output_tile.compute_at(stages.output, dt)
            .bound_extent(d, dims)
            .bound_extent(j, vector)
            .reorder(j, d, g)
            .vectorize(j)
            .unroll(d)
            .store_in(MemoryType::Stack);
    }

    const AttentionTask &task;
    AttentionStages &stages;
    const CpuScheduleParameters &p;
    const int vector, strip;
};

}  // namespace

int partial_asks(const AttentionSpec &spec, const BlockShape &shape) {
    if (spec.algorithm == Algorithm::online || (shape.matrix_tiles && shape.values != Products::bf16_pairs))
        return 0;
    if (!shape.matrix_tiles)
        return shape.value_blocks(spec.head_dim_v);
    const int across = shape.strip / matrix_tile_edge, keys = shape.tile_kv / matrix_tile_edge, step = 2 * matrix_tile_edge;
    const int of_scores = keys * across * ((spec.head_dim + step - 1) / step);
    const int of_values = shape.value_blocks(spec.head_dim_v) * shape.tile_d / matrix_tile_edge * across * shape.tile_kv / step;
    return shape.block_kv / shape.tile_kv * (of_scores + of_values) / products_of_partial_ask;
}

void schedule_cpu_fixed_reference(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &parameters) {
    QueryLanes schedule(task, stages, parameters);
    schedule.query();
    schedule.accumulator();
    schedule.chunk_loop(stages.full, 0, stages.full_loop);
    schedule.chunk_loop(stages.partial, 1, stages.partial_loop);
    schedule.results();
}

void schedule_cpu_online(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &parameters) {
    QueryLanes schedule(task, stages, parameters);
    schedule.query();
    schedule.accumulator();
    if (stages.full.scores.defined())
        schedule.online_chunk_loop(stages.full, 0, stages.full_loop);
    schedule.online_chunk_loop(stages.partial, stages.full.scores.defined() ? 1 : 0, stages.partial_loop);
    schedule.results();
}

void schedule_cpu_full_row(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &parameters) {
    QueryLanes schedule(task, stages, parameters);
    schedule.query();
    schedule.accumulator();
    schedule.full_row_loop(stages.partial, stages.partial_loop);
    schedule.results();
}

namespace {

/// Sums over d = v mod vector, of lanes. Unrolled, so that a row's address is worked out once for several steps.
void schedule_lanes(const AttentionTask &task, Func partial, const Var &row, const RDom &over_d) {
    const Var v("v");
    partial.bound_extent(v, task.shape.vector)
        .vectorize(v)
        .update()
        .reorder(v, over_d, row)
        .vectorize(v)
        .unroll(over_d, std::gcd(8, head_dim_steps(task)));
}

/// Their sums, of a vector of rows at a time: each by itself takes 30 cycles.
void schedule_sums_of_lanes(const AttentionTask &task, Func sums, Func partial, const Var &row, const RDom &over_lanes) {
    const int vector = task.shape.vector;
    sums.bound_extent(row, vector).vectorize(row);
    sums.update().reorder(over_lanes, row).vectorize(row).atomic().vectorize(over_lanes);
    partial.bound_extent(row, vector).store_in(MemoryType::Stack);
}

}  // namespace

void schedule_cpu_key_norms(const AttentionTask &task, KeyNormStages &stages) {
    const Var kv("kv"), keys("keys");
    stages.norms.split(kv, keys, kv, task.shape.vector, TailStrategy::GuardWithIf).vectorize(kv);
    for (Func f : {stages.sums, stages.partial})
        f.compute_at(stages.norms, keys);
    schedule_sums_of_lanes(task, stages.sums, stages.partial, kv, stages.over_lanes);
    schedule_lanes(task, stages.partial, kv, stages.over_d);
}

void schedule_cpu_row_classes(const AttentionTask &task, RowClassStages &stages) {
    const Var v("v");
    const int vector = task.shape.vector, strip = task.shape.strip, lanes = std::gcd(task.shape.block_kv, vector);
    // Chunks outside, strips inside: a chunk's norm serves all strips, and states of a visit are beside each other (the other way
    // round LLVM gathers them: 5 % of the time of a window of 512 keys).
    for (WholeChunks &chunks : stages.whole) {
        chunks.chunk_norm.compute_at(chunks.norm, chunks.over_visits).bound_extent(v, lanes).bound_extent(c, 1);
        chunks.chunk_norm.vectorize(v).update().vectorize(v);
        chunks.norm.compute_root().bound_extent(v, lanes).bound_storage(s, task.strips()).vectorize(v);
        chunks.norm.update().reorder(v, s, chunks.over_visits).vectorize(v);
        for (Func f : {chunks.largest, chunks.last})
            f.compute_root().bound_storage(s, task.strips());
        chunks.last.update().reorder(s, chunks.over_visits);
    }
    for (Func f : {stages.rows.position, stages.rows.head, stages.seen}) {
        if (!f.defined())
            continue;
        f.compute_root().bound_extent(i, strip).bound_storage(s, task.strips()).vectorize(i, vector).never_partition_all();
        if (f.has_update_definition())
            f.update()
                .reorder(i, stages.over_partial.x, stages.over_partial.y, s, stages.over_partial.z)
                .vectorize(i, vector)
                .unroll(i)
                .never_partition(stages.over_partial.y, s, stages.over_partial.z);
    }
    // A vector of positions of each head at a time: row by row, heads in turns are no stream from memory (a window of 256 keys, head_dim 128: the cold
    // query took 11 % of the time, 6 % head by head).
    const Var head("h"), position("q"), positions("positions"), p("p"), member("member");
    stages.result.split(row, position, head, task.shape.fold, TailStrategy::RoundUp)
        .split(position, positions, position, vector, TailStrategy::GuardWithIf)
        .reorder(position, head, positions)
        .vectorize(position)
        .never_partition_all();
    for (Func f : {stages.some, stages.logit, stages.squares})
        f.compute_at(stages.result, positions).bound_extent(member, task.shape.fold);
    for (Func f : {stages.some, stages.logit})
        f.bound_extent(p, vector).vectorize(p);
    stages.partial.compute_at(stages.squares, member);
    schedule_sums_of_lanes(task, stages.squares, stages.partial, p, stages.over_lanes);
    schedule_lanes(task, stages.partial, p, stages.over_d);
    for (Func f : {stages.own, stages.own_partial})
        f.compute_at(stages.logit, stages.over_own);
    schedule_lanes(task, stages.own_partial, p, stages.over_d);
}

void schedule_cpu_block_states(const AttentionTask &task, Func &states) {
    states.vectorize(Var("n"), task.shape.vector, TailStrategy::GuardWithIf).never_partition_all();
}

void schedule_cpu_pairs(const AttentionTask &task, PairsStages &stages) {
    const Var v("v"), kv("kv");
    stages.dot_partial.compute_at(stages.pairs, kv).bound_extent(v, task.shape.vector).vectorize(v).update().vectorize(v);
}

}  // namespace attune

#include "schedules/cpu_query_lanes.h"

#include <numeric>

namespace attune {

using namespace Halide;

namespace {

// The dimensions by the names that the algorithms gave them.
const Var i("i"), k("k"), j("j"), d("d"), c("c"), s("s"), g("g"), b("b"), row("row");

/// Head dims of a transposed tile. 4 is as fast as 16 (f32, avx512, 384 keys) and takes 15 KB less of shuffles and their indices.
constexpr int transposed_dims = 4;

class QueryLanes {
public:
    QueryLanes(const AttentionTask &task, AttentionStages &stages, const CpuScheduleParameters &p)
        : task(task), stages(stages), p(p), vector(task.shape.vector), strip(task.shape.strip) {}

    /// Transposes through small tiles: the stores of a tile are strided by its edge, which Halide turns into shuffles and dense stores.
    void query() {
        const int dims = std::gcd(task.spec.head_dim, transposed_dims);
        Var dt("dt"), it("it");
        stages.query_strip.compute_root()
            .bound_extent(i, strip)
            .bound_extent(d, task.spec.head_dim)
            .bound_storage(s, task.strips())
            .split(d, dt, d, dims)
            .split(i, it, i, vector)
            .reorder(i, d, it, dt, s)
            .vectorize(i)
            .unroll(d)
            .never_partition_all();
        stages.query_tile.compute_at(stages.query_strip, it)
            .bound_extent(j, vector)
            .bound_extent(d, dims)
            .reorder_storage(j, d, g)
            .reorder(d, j, g)
            .unroll(j)
            .vectorize(d)
            .store_in(MemoryType::Stack);
        if (stages.wanted.defined())
            stages.wanted.bound_storage(s, task.strips());
        if (stages.visible.defined())
            per_row(stages.visible);
        if (stages.reference.defined() && !stages.reference.has_update_definition())
            per_row(stages.reference);
    }

    /// A value a row: whole strips, in lanes.
    void per_row(Func f) {
        f.compute_root().bound_extent(i, strip).bound_storage(s, task.strips()).vectorize(i, vector).never_partition_all();
    }

    /// The loops of one update of the fixed reference's accumulator, outermost first: chunk, strip, columns. A strip's weights are
    /// used while they are in L1, a chunk of keys and values serves all strips.
    void chunk_loop(ChunkStages &chunk, int update, const RDom &loop) {
        const std::string suffix = "_" + std::to_string(update);
        Var so("s" + suffix), bo("b" + suffix);
        Stage add = stages.accumulator.update(update);
        add.rename(s, so).rename(b, bo).reorder(i, j, bo, so, loop).vectorize(i, vector).unroll(i).unroll(j).never_partition(so, loop);
        converted(chunk.key, LoopLevel(stages.accumulator, RVar(loop)));
        place_chunk(chunk, LoopLevel(stages.accumulator, RVar(loop)), LoopLevel(stages.accumulator, so), LoopLevel(stages.accumulator, bo));
    }

    /// The same for the online algorithm, whose columns are a reduction: the maximum's must be the last to change.
    void online_chunk_loop(ChunkStages &chunk, int update, const RDom &loop) {
        const std::string suffix = "_" + std::to_string(update);
        Var so("s" + suffix);
        Stage add = stages.accumulator.update(update);
        add.rename(s, so).reorder(i, loop.x, loop.y, so, loop.z).vectorize(i, vector).unroll(i).unroll(loop.x).never_partition(so, loop.z);
        const LoopLevel at_strip(stages.accumulator, so);
        converted(chunk.key, LoopLevel(stages.accumulator, RVar(loop.z)));
        place_chunk(chunk, LoopLevel(stages.accumulator, RVar(loop.z)), at_strip, LoopLevel(stages.accumulator, RVar(loop.y)));
        keep_logits(chunk, at_strip);
        chunk.logits.bound_extent(c, 1);
        chunk.maximum.compute_at(at_strip)
            .bound_extent(i, strip)
            .bound_extent(c, 1)
            .store_in(MemoryType::Stack)
            .vectorize(i, vector)
            .unroll(i);
        chunk.maximum.update().reorder(i, chunk.over_max).vectorize(i, vector).unroll(i).unroll(chunk.over_max, 2);
    }

    /// The full row: a strip keeps the logits of all its chunks, so the strip is the outer loop.
    void full_row_loop(ChunkStages &chunk, const RDom &loop) {
        Var so("s_0"), bo("b_0");
        Stage add = stages.accumulator.update(0);
        add.rename(s, so).rename(b, bo).reorder(i, j, bo, loop, so).vectorize(i, vector).unroll(i).unroll(j).never_partition(so);
        const LoopLevel at_strip(stages.accumulator, so);
        place_chunk(chunk, LoopLevel(stages.accumulator, RVar(loop)), LoopLevel(stages.accumulator, RVar(loop)),
                    LoopLevel(stages.accumulator, bo));
        keep_logits(chunk, at_strip);
        converted(chunk.key, LoopLevel(chunk.logits, c));
        stages.reference.compute_at(at_strip).bound_extent(i, strip).store_in(MemoryType::Stack).vectorize(i, vector).unroll(i);
        stages.reference.update()
            .reorder(i, chunk.over_max.x, chunk.over_max.y)
            .vectorize(i, vector)
            .unroll(i)
            .unroll(chunk.over_max.x, 2)
            .never_partition(chunk.over_max.y);
    }

    /// Logits are kept for the maximum; weights then follow in a pass of their own.
    void keep_logits(ChunkStages &chunk, const LoopLevel &at_strip) {
        tile(chunk.logits, Var("lt")).compute_at(at_strip);
        scores(chunk, LoopLevel(chunk.logits, Var("lt")));
    }

    // Weights are on the stack up to 16 KB, by Halide's own rule; asked for in words, a larger strip would be kept until the function ends.
    void place_chunk(ChunkStages &chunk, const LoopLevel &at_chunk, const LoopLevel &at_strip, const LoopLevel &at_columns) {
        converted(chunk.value, at_chunk);
        if (chunk.logits.defined()) {
            chunk.weights.compute_at(at_strip)
                .bound_extent(i, strip)
                .bound_extent(k, p.block_kv)
                .bound_extent(c, 1)
                .vectorize(i, vector)
                .unroll(i);
        } else {
            tile(chunk.weights, Var("kt")).bound_extent(c, 1).compute_at(at_strip);
            scores(chunk, LoopLevel(chunk.weights, Var("kt")));
        }
        chunk.row_sums.compute_at(at_strip)
            .bound_extent(i, strip)
            .bound_extent(c, 1)
            .bound_extent(j, 4)
            .store_in(MemoryType::Stack)
            .vectorize(i, vector)
            .unroll(i)
            .unroll(j);
        chunk.row_sums.update().reorder(i, j, chunk.over_sum).vectorize(i, vector).unroll(i).unroll(j);
        chunk.weighted.compute_at(at_columns)
            .bound_extent(i, strip)
            .bound_extent(c, 1)
            .bound_extent(j, p.tile_d)
            .bound_extent(b, 1)
            .vectorize(i, vector)
            .unroll(i)
            .unroll(j);
        chunk.weighted.update().reorder(i, j, chunk.over_k).vectorize(i, vector).unroll(i).unroll(j);
        if (&chunk == &stages.full)
            chunk.weighted.update().unroll(chunk.over_k, p.unroll);
    }

    /// A chunk of keys or values as f32, where the tensors are not.
    void converted(Func f, const LoopLevel &at) {
        if (!f.defined())
            return;
        f.compute_at(at)
            .bound_extent(k, p.block_kv)
            .bound_extent(c, 1)
            .vectorize(d, vector, TailStrategy::GuardWithIf)
            .never_partition_all();
    }

    /// Strip x block_kv, walked in register tiles of tile_kv keys.
    Func tile(Func f, const Var &kt) {
        f.bound_extent(i, strip)
            .bound_extent(k, p.block_kv)
            .split(k, kt, k, p.tile_kv)
            .reorder(i, k, kt, c, s)
            .vectorize(i, vector)
            .unroll(i)
            .unroll(k);
        return f;
    }

    void scores(ChunkStages &chunk, const LoopLevel &at) {
        chunk.scores.compute_at(at)
            .bound_extent(i, strip)
            .bound_extent(c, 1)
            .bound_extent(k, p.tile_kv)
            .vectorize(i, vector)
            .unroll(i)
            .unroll(k);
        chunk.scores.update().reorder(i, k, chunk.over_d).vectorize(i, vector).unroll(i).unroll(k).unroll(chunk.over_d, p.unroll);
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
        const int dims = std::gcd(task.spec.head_dim_v, transposed_dims);
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

void schedule_cpu_row_classes(const AttentionTask &task, RowClassStages &stages) {
    const Var v("v");
    const int vector = task.shape.vector;
    stages.key_partial.compute_at(stages.key_bound, stages.key_scan).bound_extent(v, vector).vectorize(v).update().vectorize(v);
    stages.row_partial.compute_at(stages.row_class, row).bound_extent(v, vector).vectorize(v).update().vectorize(v);
    stages.reference.compute_with(stages.row_class, row);
}

}  // namespace attune

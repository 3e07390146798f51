#include "schedules/cpu_key_lanes.h"

#include "schedules/transposed_tile.h"
#include "schedules/visit_loop.h"

#include <algorithm>
#include <numeric>

namespace attune {

using namespace Halide;

const std::vector<ScheduleParameter<CpuKeyLanesParameters>> &cpu_key_lanes_parameters() {
    using P = CpuKeyLanesParameters;
    static const std::vector<ScheduleParameter<P>> parameters = {
        {"tile_rows", &P::tile_rows, 1, 16, {4, 6, 8, 10, 12}, "full rows without a mask: query rows of a strip and of its register tiles"},
        {"tile_keys",
         &P::tile_keys,
         1,
         5,
         {1, 2, 3, 4, 5},
         "full rows without a mask: vectors of keys in a register tile of scores, tile_rows * tile_keys accumulators; the last tile is as "
         "wide as it has keys"},
        {"tile_columns",
         &P::tile_columns,
         1,
         4,
         {1, 2, 3, 4},
         "full rows without a mask: vectors of value columns in a register tile of weighted values; columns are padded to whole tiles"},
        {"block_q",
         &P::block_q,
         1,
         4096,
         {96, 192, 384, 480, 768},
         "full rows without a mask: query rows of a task, a multiple of tile_rows. Larger transposes keys less often; smaller spreads a "
         "short prefill over more threads",
         RowBits::kept},
        {"unroll", &P::unroll, 1, 8, {1, 2, 4}, "full rows without a mask: steps of the products of query and key in one turn of the loop"},
    };
    return parameters;
}

std::string cpu_key_lanes_parameters_error(const CpuKeyLanesParameters &p, int registers) {
    if (const std::string error = parameter_range_error(p, cpu_key_lanes_parameters()); !error.empty())
        return error;
    if (p.block_q % p.tile_rows != 0)
        return fmt::format("block_q is {}, expected a multiple of tile_rows, which is {}", p.block_q, p.tile_rows);
    for (const auto &[name, tile] : {std::pair("tile_keys", p.tile_keys), std::pair("tile_columns", p.tile_columns)})
        if (const int needed = p.tile_rows * tile + tile + 1; needed > registers)
            return fmt::format("tile_rows {} x {} {} takes {} vector registers, expected at most {}", p.tile_rows, name, tile, needed,
                               registers);
    return "";
}

CpuKeyLanesParameters default_key_lanes_parameters(const AttentionSpec &spec, int vector, int registers) {
    CpuKeyLanesParameters p;
    // 8 x 2 of 32 registers: 12 rows fill them better, but of 49 and 77 rows or keys more are computed in vain (77 keys, head_dim 64: 11.5 against 13 ms).
    // 12 accumulators of 16 registers, 8 where a product takes one too.
    if (registers < 32)
        p.tile_rows = vector == 4 ? 4 : 6;
    // Elements by row and key are those of windows, mostly of 7 x 7 rows: 49 rows instead of 56, or 50 instead of 54, take 5 to 7 % less time.
    if (vector > 4 && !row_key_elements(spec, true).empty())
        p.tile_rows = registers < 32 ? 5 : 7;
    const int column_vectors = (spec.head_dim_v + vector - 1) / vector;
    p.tile_columns = column_vectors == 3 && registers >= 32 ? 3 : std::min(column_vectors, 2);
    p.block_q = p.block_q / p.tile_rows * p.tile_rows;
    return p;
}

BlockShape cpu_key_lanes_shape(const CpuKeyLanesParameters &p, int fold, int vector) {
    const int keys = p.tile_keys * vector;
    return {.vector = vector,
            .strip = p.tile_rows,
            .block_q = std::max(p.block_q, (fold + p.tile_rows - 1) / p.tile_rows * p.tile_rows),  // a position's heads at least
            .block_kv = keys,
            .tile_kv = keys,
            .tile_d = p.tile_columns * vector,
            .fold = fold};
}

int64_t key_lanes_scratch_per_key(const AttentionSpec &spec, const BlockShape &shape) {
    const int64_t of_rows = 2 + static_cast<int64_t>(row_key_elements(spec, true).size());
    return 4 * (spec.head_dim + of_rows * shape.strip + int64_t(shape.value_blocks(spec.head_dim_v)) * shape.tile_d);
}

namespace {

const Var d("d"), k("k"), t("t"), i("i"), s("s"), v("v"), j("j"), b("b");

class KeyLanesSchedule {
public:
    KeyLanesSchedule(const AttentionTask &task, KeyLanesStages &stages, const CpuKeyLanesParameters &p)
        : task(task), stages(stages), p(p), vector(task.shape.vector), strip(task.shape.strip), block_kv(task.shape.block_kv),
          columns(task.shape.tile_d), at_strip(stages.output, strip_loop), at_columns(stages.accumulator, b) {}

    /// Once a task. Keys go through small tiles.
    void keys_and_values() {
        const int dims = std::gcd(task.spec.head_dim, 16);
        Var dt("dt"), kt("kt");
        stages.keys.compute_root()
            .bound_extent(k, block_kv)
            .bound_extent(d, task.spec.head_dim)
            .split(d, dt, d, dims)
            .split(k, kt, k, vector)
            .reorder(k, d, dt, kt, t)
            .vectorize(k)
            .unroll(d)
            .never_partition(dt, kt);
        schedule_transposed_tile(stages.key_tile, LoopLevel(stages.keys, dt), k, vector, d, dims, t);
        if (stages.values.defined())
            stages.values.compute_root().align_bounds(d, columns).vectorize(d, vector).never_partition(Var("kv"));
    }

    void accumulator() {
        of_strip(stages.accumulator)
            .bound_extent(j, columns)
            .bound_extent(b, task.value_blocks())
            .reorder(j, i, b, s)
            .vectorize(j, vector)
            .unroll(j)
            .unroll(i);
    }

    /// Few keys are in the last vector, or just one: of loads and stores with a predicate it takes as long as any.
    void arrays() {
        for (KeyArray &array : stages.arrays) {
            of_strip(array.rows).align_bounds(Var("kv"), block_kv);
            RVar vectors("vectors"), lanes("lanes");
            array.rows.update(0)
                .specialize(array.is_dense)
                .split(array.inside, vectors, lanes, vector, TailStrategy::Predicate)
                .reorder(lanes, i, vectors)
                .vectorize(lanes)
                .unroll(i)
                .never_partition(vectors);
            array.rows.update(1).reorder(i, array.clamped);
        }
    }

    /// A strip's query as f32 at addresses that are constants apart, and its scores by register tiles.
    void logits() {
        of_rows(stages.query).bound_extent(d, task.spec.head_dim).vectorize(d, vector, TailStrategy::GuardWithIf).never_partition_all();
        of_strip(stages.logits)
            .bound_extent(k, block_kv)
            .rename(t, asking_tile)
            .reorder(k, i, asking_tile, s)
            .vectorize(k, vector)
            .unroll(k)
            .unroll(i);
        const LoopLevel at_tile(stages.logits, asking_tile);
        of_tile(stages.scores, at_tile).vectorize(k, vector).unroll(k).unroll(i);
        for (size_t n = 0; n < stages.over_d.size(); n++) {
            const RVar key = stages.over_d[n].x, dim = stages.over_d[n].y;
            stages.scores.update(static_cast<int>(n))
                .reorder(key, i, dim)
                .vectorize(key, vector)
                .unroll(key)
                .unroll(i)
                .unroll(dim, p.unroll);
        }
        over_lanes(stages.lane_maximum, stages.over_max, stages.maximum);
    }

    void weights() {
        of_strip(stages.weights)
            .bound_extent(k, block_kv)
            .rename(t, asking_tile)
            .reorder(k, i, asking_tile, s)
            .vectorize(k, vector)
            .unroll(k)
            .unroll(i);
        over_lanes(stages.lane_sums, stages.over_sum, stages.sum);
        if (!stages.lowest.defined())
            return;
        const RDom &over = stages.over_lowest;
        stages.lane_lowest.compute_at(at_strip).bound_extent(v, vector).bound_extent(s, 1).store_in(MemoryType::Stack).vectorize(v);
        stages.lane_lowest.update().reorder(v, over.x, over.y, over.z).vectorize(v).unroll(over.x);
        stages.lowest.compute_at(at_strip).update().atomic().vectorize(stages.over_lanes);
        stages.plain_keys.compute_at(at_strip);
    }

    void weighted() {
        stages.weighted.compute_at(at_columns)
            .bound_extent(j, columns)
            .bound_extent(b, 1)
            .bound_extent(i, strip)
            .bound_extent(s, 1)
            .vectorize(j, vector)
            .unroll(j)
            .unroll(i);
        const RDom *over[] = {&stages.over_k, &stages.over_shown_k};
        for (int n = 0; n < stages.weighted.num_update_definitions(); n++)
            stages.weighted.update(n).reorder(j, i, over[n]->x, over[n]->y).vectorize(j, vector).unroll(j).unroll(i);
    }

    void results() {
        stages.state.compute_root().bound_extent(i, strip).bound_storage(s, task.strips()).vectorize(i).never_partition_all();
        for (Func f : {stages.inverse, stages.row_lse})
            of_strip(f).vectorize(i);
        stages.output.bound(d, 0, task.spec.head_dim_v);
        const RVar row("row");
        stages.output.update()
            .split(stages.rows, strip_loop, row, strip)
            .reorder(d, row, strip_loop)
            .vectorize(d, std::gcd(vector, task.spec.head_dim_v))
            .never_partition(strip_loop, row);
        stages.lse.update()
            .split(stages.rows, strip_loop, row, strip)
            .never_partition(strip_loop, row)
            .compute_with(stages.output.update(), strip_loop);
    }

private:
    /// In memory that is asked for once a task: 3 % of 49 rows and keys. Not on the stack: Halide uses its free places again, and one that an index reaches
    /// would keep the scores out of registers.
    Func &of_strip(Func &f) {
        return f.compute_at(at_strip).hoist_storage_root().store_in(MemoryType::Heap).bound_extent(i, strip).bound_extent(s, 1);
    }

    Func &of_rows(Func &f) {
        return f.compute_at(at_strip).bound_extent(i, strip).bound_extent(s, 1).store_in(MemoryType::Stack).unroll(i);
    }

    Func &of_tile(Func &f, const LoopLevel &at) {
        return f.compute_at(at).bound_extent(k, block_kv).bound_extent(t, 1).bound_extent(i, strip).bound_extent(s, 1);
    }

    /// Vectors of keys combined lane by lane, and the lanes of all rows at a time: 3 shuffles a row instead of 4 and more.
    void over_lanes(Func &lanes, const RDom &over, Func &rows) {
        of_rows(lanes).bound_extent(v, vector).vectorize(v);
        lanes.update().reorder(v, i, over.x, over.y).vectorize(v).unroll(i).unroll(over.x);
        rows.compute_at(at_strip).bound_extent(i, strip).bound_extent(s, 1).store_in(MemoryType::Stack).vectorize(i);
        rows.update().reorder(stages.over_lanes, i).atomic().vectorize(stages.over_lanes).vectorize(i);
    }

    const AttentionTask &task;
    KeyLanesStages &stages;
    const CpuKeyLanesParameters &p;
    const int vector, strip, block_kv, columns;
    const RVar strip_loop{"strip"};
    const Var asking_tile{std::string(visit_loop) + "_tile"};  // asks for the next task's rows
    const LoopLevel at_strip, at_columns;
};

}  // namespace

void schedule_cpu_key_lanes(const AttentionTask &task, KeyLanesStages &stages, const CpuKeyLanesParameters &parameters) {
    KeyLanesSchedule schedule(task, stages, parameters);
    schedule.keys_and_values();
    schedule.accumulator();
    schedule.arrays();
    schedule.logits();
    schedule.weights();
    schedule.weighted();
    schedule.results();
}

}  // namespace attune

#include "schedules/cpu_split_kv.h"

#include "attune/kernel.h"
#include "schedules/cpu_split_integer_tiles.h"
#include "schedules/cpu_split_tiles.h"
#include "schedules/visit_loop.h"

#include <algorithm>
#include <numeric>

namespace attune {

using namespace Halide;

const std::vector<ScheduleParameter<CpuSplitParameters>> &cpu_split_parameters() {
    using P = CpuSplitParameters;
    static const std::vector<ScheduleParameter<P>> parameters = {
        {"split_kv",
         &P::split_kv,
         split_tile_keys,
         8192,
         {128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096},
         "decode: keys of a task, a multiple of 64. Larger has fewer parts to combine; smaller spreads a cache over more threads, and what "
         "a "
         "chunk reads twice stays in the second-level cache. Part of the result's bits"},
        {"accumulators",
         &P::accumulators,
         1,
         32,
         {2, 4, 6, 8, 12, 16, 24},
         "decode: vector registers of sums in a tile of rows, fewer than the machine has. More hides the latency of an addition and reads "
         "the "
         "query less often"},
        {"unroll",
         &P::unroll,
         1,
         8,
         {1, 2, 4},
         "decode: steps over head_dim in one turn of the loop; as many of them as divide head_dim's vectors"},
        {"unroll_values",
         &P::unroll_values,
         1,
         split_value_block,
         {1, 2, 4, 8},
         "decode: keys of one turn of the sum over values; a power of 2. More loads the sums of a column less often; a "
         "single row of queries asks ahead once a turn"},
    };
    return parameters;
}

std::string cpu_split_parameters_error(const CpuSplitParameters &p, int registers) {
    if (const std::string error = parameter_range_error(p, cpu_split_parameters()); !error.empty())
        return error;
    if (p.split_kv % split_tile_keys != 0)
        return fmt::format("split_kv is {}, expected a multiple of {} up to 8192", p.split_kv, split_tile_keys);
    if (p.accumulators >= registers)
        return fmt::format("accumulators is {}, expected fewer than the {} vector registers", p.accumulators, registers);
    if (split_value_block % p.unroll_values != 0)
        return fmt::format("unroll_values is {}, expected a power of 2 up to {}", p.unroll_values, split_value_block);
    return "";
}

BlockShape cpu_split_shape(const AttentionSpec &spec, const CpuSplitParameters &parameters, int vector) {
    const int fold = std::max(spec.group, 1);
    const Products in_tiles = spec.cache.dtype == KvDType::same ? Products::bf16_pairs : Products::i8_quads;
    const Products products = parameters.matrix_tiles ? in_tiles : Products::f32;
    return {.vector = vector,
            .strip = split_positions * fold,
            .block_q = split_positions * fold,
            .block_kv = parameters.split_kv,
            .tile_kv = split_tile_keys,
            .tile_d = vector,
            .fold = fold,
            .scores = products,
            .values = products,
            .matrix_tiles = parameters.matrix_tiles};
}

namespace {

/// A tile of query rows, and what of the cache is read in a turn of its inner loops.
struct Tile {
    int rows;
    int keys;     ///< beside each other, whose dots are the accumulators
    int vectors;  ///< of a row of values
};

Tile tile_of(const AttentionTask &task, const CpuSplitParameters &parameters, int rows) {
    const int vector = task.shape.vector, lanes = split_lanes(task), columns = split_value_columns(task.spec, vector) / vector;
    // Elements converted at once: the halves of bytes are parted 16 at a time, whatever the machine's vector of f32.
    const int least = task.spec.cache.dtype == KvDType::i4 ? std::max(1, i4_group / 2 / vector) : 1;
    // Two rows of the cache at a time at most where one of them fills the registers.
    const int keys = std::max(1, parameters.accumulators / std::max(rows * lanes / vector, rows));
    // One row takes all its columns, so that values are read as they lie.
    const int vectors = std::gcd(columns, rows == 1 ? 16 : parameters.accumulators / rows);
    return {rows, std::min(keys, lanes > vector ? 2 : vector), std::max(least, vectors)};
}

}  // namespace

bool split_reads_f32_in_order(const AttentionSpec &spec) {
    return spec.dtype == DType::f32 && spec.cache.dtype == KvDType::same && spec.cache.layout == KvLayout::contiguous;
}

// Tiles of rows read those of the cache beside each other, an order that prefetchers do not follow, so they ask ahead (ask_ahead.h), some 16 lines in
// a turn of the innermost loops: more than a core's first-level cache has room for (16) wait for each other. Four heads on one, head_dim 128, a Xeon
// with AVX-512: f32 26 GB/s, 22 where rows are copied to the first-level cache as they lie; f16 21, 18.5 with 43 lines in a turn of the outer loops;
// avx2 there: f32 21 and 11, f16 18 and 13.5. A single row of queries reads as the cache lies, but prefetchers start anew every 4 KB, and products
// leave them time for f32 alone: 32 heads, 4096 keys of f16 take 2.43 ms (27.6 GB/s) instead of 3.0 to 4.0, pages of 16 and 64 2.74 and 2.48. Keys and
// values ask equally often there, for 8 lines each two keys; where values asked each eight, for 13 at a time, contiguous and paged took 3.1 and 3.6.
// f32 on avx2 takes 1.15 times as long with asks.
int split_asks(const AttentionTask &task, const CpuSplitParameters &parameters) {
    const BlockShape &shape = task.shape;
    if (shape.fold == 1 && split_reads_f32_in_order(task.spec))
        return 0;
    if (shape.matrix_tiles)
        return shape.scores == Products::i8_quads ? split_integer_asks(task) : split_tile_asks(task);
    const Tile tile = tile_of(task, parameters, shape.fold <= 2 ? shape.fold : ATTUNE_SPLIT_TILE_ROWS);
    const int turns = split_value_columns(task.spec, shape.vector) / (tile.vectors * shape.vector);
    const int keys = shape.fold == 1 && turns == 1 ? parameters.unroll_values : split_value_block;
    return shape.block_kv / tile.keys + shape.block_kv / keys * turns;
}

namespace {

/// The query's integers once a tile of rows; sums of a group in registers, keys times rows of them.
void schedule_integer_dots(const AttentionTask &task, SplitStages &stages, const CpuSplitParameters &parameters, const LoopLevel &at_rows) {
    const Var v("v"), d("d"), g("g"), k("k"), r("r");
    const int lanes = split_lanes(task);
    for (Func f : {stages.query_largest, stages.query_scale})
        f.compute_at(at_rows).store_in(MemoryType::Stack);
    stages.query_largest.update().atomic().vectorize(stages.over_row, task.shape.vector);
    stages.query_number.compute_at(at_rows).vectorize(d, task.shape.vector).store_in(MemoryType::Stack);
    Func sums = stages.dots;
    if (stages.group_dots.defined()) {
        const RVar group = stages.over_groups.x;
        stages.dots.update().reorder(v, r, k, group).vectorize(v).unroll(r).unroll(k);
        sums = stages.group_dots;
        sums.compute_at(stages.dots, group).bound_extent(v, lanes).vectorize(v).unroll(k).unroll(r);
    }
    const bool is_i4 = task.spec.cache.dtype == KvDType::i4;
    sums.update()
        .reorder(stages.over_pairs.x, v, r, k, stages.over_pairs.y)
        .vectorize(v)
        .atomic()
        .vectorize(stages.over_pairs.x)
        .unroll(r)
        .unroll(k)
        .unroll(stages.over_pairs.y, is_i4 ? std::max(2, i4_group / 2 / lanes) : parameters.unroll);
}

}  // namespace

void schedule_cpu_split_kv(const AttentionTask &task, SplitStages &stages, const CpuSplitParameters &parameters) {
    const Var v("v"), d("d"), g("g"), k("k"), r("r"), column("column");
    const bool is_single = task.shape.fold == 1, asks = split_asks(task, parameters) > 0;
    const Var rows("rows"), key_tile("key_tile"), some_keys(visit_loop + std::string("_keys")), some(visit_loop + std::string("_values"));
    const int vector = task.shape.vector;
    // Elements converted at once: the halves of bytes are parted 16 at a time, whatever the machine's vector of f32.
    const int bytes = task.spec.cache.dtype == KvDType::i4 ? std::max(vector, i4_group / 2) : vector;
    // A tile of rows reads the chunk once; more rows than a tile read it again from the second-level cache. Rows of one head go one by one: four at
    // a time were no faster (f32, head_dim 128, avx2), and each variant is 5 to 15 KB of code.
    const Expr num_rows = stages.part.output_buffer().dim(1).extent(), all_shown = task.args.masked == 0;
    std::vector<std::pair<Expr, int>> tiles = {{Expr(), is_single ? 1 : ATTUNE_SPLIT_TILE_ROWS}};
    if (task.shape.fold == 2)
        tiles.insert(tiles.begin(), {num_rows == 2, 2});
    auto for_each_tile = [&](Stage stage, const auto &schedule) {
        for (const auto &[condition, rows] : tiles)
            schedule(condition.defined() ? stage.specialize(condition) : stage, tile_of(task, parameters, rows));
    };

    const int columns = split_value_columns(task.spec, vector);
    stages.part.bound(column, 0, columns + vector);
    for (Stage stage : {stages.part.specialize(all_shown), Stage(stages.part)})
        for_each_tile(stage, [&](Stage part, const Tile &tile) {
            part.split(r, rows, r, tile.rows, TailStrategy::RoundUp)
                .reorder(column, r, rows)
                .vectorize(column, vector)
                .never_partition(rows);
        });

    const int sum_lanes = split_sum_lanes(task);
    const LoopLevel at_rows(stages.part, rows);
    stages.query.compute_at(at_rows).vectorize(d, vector).store_in(MemoryType::Stack);
    stages.logits.compute_at(at_rows)
        .bound_storage(k, task.shape.block_kv)
        .split(k, key_tile, k, vector, TailStrategy::RoundUp)
        .reorder(k, r, key_tile)
        .vectorize(k)
        .unroll(r);
    stages.products.compute_at(stages.logits, key_tile).bound_extent(k, vector).vectorize(k).unroll(r).store_in(MemoryType::Stack);
    stages.products.update().reorder(stages.over_lanes, k, r).vectorize(k).atomic().vectorize(stages.over_lanes).unroll(r);
    stages.turned.compute_at(stages.logits, key_tile).bound_extent(v, sum_lanes).bound_extent(k, vector).store_in(MemoryType::Stack);
    const int lanes = split_lanes(task), of_dots = std::min(bytes, lanes), steps = (task.spec.head_dim + lanes - 1) / lanes;
    for_each_tile(stages.turned, [&](Stage turned, const Tile &tile) {
        turned.split(k, some_keys, k, tile.keys).reorder(v, k, r, some_keys).vectorize(v).unroll(k).unroll(r);
        if (!asks)
            turned.unroll(some_keys);
    });
    stages.dots.compute_at(stages.turned, some_keys).bound_extent(v, lanes).vectorize(v, of_dots).unroll(v).unroll(k).unroll(r);
    if (stages.query_number.defined())
        schedule_integer_dots(task, stages, parameters, at_rows);
    else
        stages.dots.update()
            .reorder(v, r, k, stages.over_d)
            .vectorize(v, of_dots)
            .unroll(v)
            .unroll(r)
            .unroll(k)
            .unroll(stages.over_d, std::gcd(parameters.unroll, steps));

    for (Func f : {stages.lane_maximum, stages.lane_sums}) {
        f.compute_at(at_rows).bound_extent(v, vector).vectorize(v).store_in(MemoryType::Stack);
        f.update().reorder(v, r, stages.over_keys).vectorize(v).unroll(r);
    }
    stages.maximum.compute_at(at_rows).store_in(MemoryType::Stack);
    stages.weights.compute_at(at_rows).bound_storage(k, task.shape.block_kv).vectorize(k, vector, TailStrategy::RoundUp);
    if (stages.scaled.defined()) {
        const int groups = task.spec.cache.dtype == KvDType::i4 ? columns / i4_group : 1;
        stages.scaled.compute_at(at_rows).bound_extent(g, groups).bound_storage(k, task.shape.block_kv);
        if (groups == 1)
            stages.scaled.vectorize(k, vector, TailStrategy::RoundUp);
        else
            stages.scaled.vectorize(g, groups);
    }
    stages.weighted.compute_at(at_rows).bound_extent(d, columns).vectorize(d, vector).store_in(MemoryType::Stack);
    // Some rows of values at a time, all their columns; accumulators stay in the first-level cache.
    const RVar of_block = stages.over_k.x;
    for_each_tile(stages.weighted.update(), [&](Stage weighted, const Tile &tile) {
        RVar block = stages.over_k.y, turn("turn"), of_turn("of_turn");
        if (asks && tile.vectors * vector == columns) {  // `some` is then no loop
            RVar &visit = is_single ? turn : block;
            visit = RVar(visit_loop + std::string("_block"));
            if (!is_single)
                weighted.rename(stages.over_k.y, block);
        }
        weighted.split(d, some, d, tile.vectors * vector)
            .split(of_block, turn, of_turn, parameters.unroll_values)
            .reorder(d, r, of_turn, turn, some, block)
            .vectorize(d, bytes)
            .unroll(d)
            .unroll(r)
            .unroll(of_turn);
    });
}

void schedule_cpu_combine(const AttentionTask &task, CombineStages &stages) {
    const Var row("row"), d("d"), head("folded_head"), position("position");
    const int vector = task.shape.vector;
    for (Func f : {stages.maximum, stages.reference, stages.sum, stages.inverse})
        f.compute_root().bound_storage(row, task.shape.strip);
    stages.output.bound(d, 0, task.spec.head_dim_v).vectorize(d, vector, TailStrategy::GuardWithIf).never_partition_all();
    stages.accumulator.compute_at(stages.output, head).vectorize(d, vector, TailStrategy::RoundUp);
    stages.accumulator.update().reorder(d, stages.accumulator.rvars(0)[0]).vectorize(d, vector, TailStrategy::RoundUp);
}

void schedule_cpu_append(const AttentionTask &task, AppendStages &stages) {
    const Var d("d"), r("r"), g("g");
    const int vector = task.shape.vector;
    for (AppendRows *rows : {&stages.key, &stages.value}) {
        if (!rows->stored.defined())
            continue;
        // Some rows a call, so that nothing between them and the cache leaves the stack. New rows end where they end: nothing is read after them.
        rows->element.compute_root()
            .bound_storage(r, ATTUNE_APPEND_ROWS)
            .store_in(MemoryType::Stack)
            .vectorize(d, vector, TailStrategy::GuardWithIf);
        rows->stored.vectorize(d, vector, TailStrategy::GuardWithIf);
        for (Func f : {rows->largest, rows->lowest, rows->highest, rows->scale, rows->zero})
            if (f.defined())
                f.compute_root().bound_storage(r, ATTUNE_APPEND_ROWS).store_in(MemoryType::Stack);
        for (Func f : {rows->largest, rows->lowest, rows->highest})
            if (f.defined())
                f.update().atomic().vectorize(rows->over_group, vector);
    }
}

}  // namespace attune

#include "schedules/cost_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attune {

namespace {

constexpr double loads_a_clock = 1.5;    // of two, as stores and neighbours on the core want some
constexpr double latency = 4;            // clocks of a multiply-add
constexpr double turn_clocks = 1;        // of a loop: its counter, addresses and branch, not all hidden
constexpr double masked_products = 1.5;  // of weighted values again: hidden keys are left out of each product
constexpr double exp2_clocks = 9;        // a vector of weights: 2^x, its sum and its store
constexpr double mask_clocks = 4;        // a vector of pairs that asks the mask
constexpr double part_task_ns = 1000;    // of decode: arguments, lists of rows, the loops' ends, the part brought together
constexpr double task_ns = 800;          // the query's rows brought into lanes, the output brought back, the task's own call

/// One step of a register tile of `queries` x `others` accumulators: so many multiply-adds, from so many loads.
double step_clocks(int queries, int others, int registers) {
    const double accumulators = queries * others, loads = queries + others;
    // A chunk that asks the mask needs a register more, and takes it from the tile.
    const double crowded = accumulators + queries + 1 >= registers ? 1.05 : 1;
    return std::max({accumulators / 2, loads / loads_a_clock, latency}) * crowded;
}

/// Products a clock of a vector of pairs or halves, over those of f32: at most twice as many, also where the peak is that of matrix tiles.
double vector_speed(Products products, const MachineLimits &machine) {
    return products == Products::f32 ? 1 : std::min(machine.peak_gflops / machine.vector_gflops, 2.0);
}

/// The peak of matrix tiles is that of bf16; a product of bytes is as deep again.
double tile_products_ns(double multiply_adds, Products products, const MachineLimits &machine) {
    return 2 * multiply_adds / machine.peak_gflops / (products == Products::i8_quads ? 2 : 1);
}

/// The busiest thread's share of tasks of equal size.
double imbalance(double tasks, int threads) {
    return std::ceil(tasks / threads) * threads / tasks;
}

}  // namespace

double MachineLimits::clock_ns(int vector) const {
    return 2 * 2 * vector / vector_gflops;
}

double MachineLimits::read_ns(double bytes, double footprint) const {
    for (const CacheLevel &level : levels)
        if (footprint <= level.bytes)
            return bytes / level.gbs;
    return levels.empty() ? 0 : bytes / levels.back().gbs;
}

double predicted_ms(const AttentionSpec &spec, const CpuScheduleParameters &p, int vector, int registers, const MachineLimits &machine,
                    const CallWork &work) {
    const double clock = machine.clock_ns(vector), product_clock = clock / vector_speed(p.values, machine);
    const double strip = p.tile_q * vector, head_dim = spec.head_dim, columns = std::ceil(double(spec.head_dim_v) / p.tile_d) * p.tile_d;
    const double keys = p.block_kv, turn = turn_clocks / p.unroll;

    // A strip against a chunk: scores, their exponentials, weighted values. Matrix tiles have their operands beside the products before.
    const double query_bytes = 4 * strip * head_dim, weight_bytes = 4 * strip * keys, tile_bytes = 4 * p.tile_kv * head_dim;
    const double score_tiles = keys / p.tile_kv;
    const double scores = score_tiles * head_dim * (step_clocks(p.tile_q, p.tile_kv, registers) + turn) * product_clock;
    const double scores_ns = p.matrix_tiles
                                 ? tile_products_ns(strip * keys * head_dim, p.scores, machine)
                                 : std::max(scores, machine.read_ns(score_tiles * (query_bytes + tile_bytes), query_bytes + tile_bytes));
    const double exponentials_ns = keys * p.tile_q * exp2_clocks * clock;
    const double value_tiles = columns / p.tile_d;
    const double values =
        value_tiles * (keys * (step_clocks(p.tile_q, p.tile_d, registers) + turn) * product_clock + 1.5 * p.tile_q * p.tile_d * clock);
    const double value_bytes = 4 * keys * columns;
    const double values_ns =
        p.matrix_tiles && p.values == Products::bf16_pairs
            ? tile_products_ns(strip * keys * columns, p.values, machine)
            : std::max(values, machine.read_ns(value_tiles * weight_bytes + value_bytes, weight_bytes + 4 * keys * p.tile_d));
    const double accumulator_ns = machine.read_ns(2 * 4 * strip * columns, 4 * p.block_q * (head_dim + columns));
    const double strip_chunk_ns = scores_ns + exponentials_ns + values_ns + accumulator_ns;

    // A task reads each of its chunks once from where the keys of its head lie; all its strips then find it in the second-level cache.
    const double task_rows = p.block_q, strips = work.rows / strip;
    const double chunks_of_strip = work.pairs / work.rows / keys;
    const double chunk_bytes = keys * work.cache_row_bytes, head_bytes = work.seq_len_kv * work.cache_row_bytes;
    const double converted = spec.dtype == DType::f32 ? 0 : keys * (head_dim + columns) / vector * 1.5 * clock;
    const double chunk_ns = machine.read_ns(chunk_bytes, head_bytes + 4 * task_rows * (head_dim + columns)) + converted;

    const double total =
        strips * chunks_of_strip * strip_chunk_ns + work.masked_pairs / vector * (mask_clocks + masked_products * columns / 2) * clock +
        work.rows / task_rows * chunks_of_strip * chunk_ns + work.tasks * task_ns + work.rows * (head_dim + columns) / vector * 3 * clock;
    return total * imbalance(work.tasks, work.threads) / work.threads * 1e-6;
}

double predicted_ms(const AttentionSpec &spec, const CpuKeyLanesParameters &p, int vector, int registers, const MachineLimits &machine,
                    const CallWork &work) {
    const double clock = machine.clock_ns(vector), head_dim = spec.head_dim, keys = work.seq_len_kv;
    const double column_vectors = std::ceil(double(spec.head_dim_v) / vector / p.tile_columns) * p.tile_columns;
    const double key_vectors = std::ceil(keys / vector);
    // A strip: scores, exponentials with their maximum, sum and store, values.
    const double scores =
        key_vectors / p.tile_keys * head_dim * (step_clocks(p.tile_rows, p.tile_keys, registers) + turn_clocks / p.unroll);
    const double exponentials = key_vectors * p.tile_rows * exp2_clocks;
    const double values = column_vectors / p.tile_columns * keys * (step_clocks(p.tile_rows, p.tile_columns, registers) + turn_clocks);
    const double reductions = p.tile_rows * 10.0;  // of both over lanes
    const double rows_of_query = p.tile_rows * (head_dim / vector + 2 * column_vectors) * 2;
    const double strip_clocks = scores + exponentials + values + reductions + rows_of_query;
    // A task: keys transposed, 4 shuffles of a vector, and the runtime's call.
    const double task_clocks = key_vectors * head_dim * 5;
    const double strips = work.rows / p.tile_rows;
    const double total = (strips * strip_clocks + work.tasks * task_clocks) * clock + work.tasks * task_ns;
    return total * imbalance(work.tasks, work.threads) / work.threads * 1e-6;
}

double predicted_ms(const AttentionSpec &spec, const CpuSplitParameters &p, int vector, int registers, const MachineLimits &machine,
                    const CallWork &work) {
    const double clock = machine.clock_ns(vector);
    const int fold = std::max(spec.group, 1), tile = fold == 1 ? 1 : 4;
    const int vectors = (spec.head_dim + vector - 1) / vector, columns = (spec.head_dim_v + vector - 1) / vector;
    const double all_keys = work.seq_len_kv * work.kv_heads, rows_a_head = work.rows / work.kv_heads, tiles = rows_a_head / tile;

    // One key against a tile of rows. A single row takes four vectors of a key at once, others one (split_lanes).
    const int at_once = tile == 1 && vectors % 4 == 0 ? 4 : 1;
    const int together = std::clamp(p.accumulators / (tile * at_once), 1, at_once > 1 ? 2 : vector);  // keys whose sums are in registers
    const double in_vain = std::ceil(double(vector) / together) * together / vector;
    const double dots = std::max({tile * vectors / 2.0, (vectors + double(tile * vectors) / together) / loads_a_clock,
                                  latency * vectors / at_once / together}) *
                        in_vain;
    const double reduce = tile * 3, exponential = tile * 20.0 / vector;
    const int some = std::gcd(columns, tile == 1 ? 16 : std::max(p.accumulators / tile, 1));  // columns whose sums are in registers
    // A single row's columns fill the registers, and its sums are loaded and stored once a turn; others keep theirs for a block of keys.
    const double sums = tile == 1 ? 2.0 * columns / p.unroll_values : 0;
    const double weighted = std::max(tile * columns / 2.0, (columns + double(tile * columns) / some + sums) / loads_a_clock);
    // Registers that do not hold the sums, a key and a query spill.
    const double spills = tile * together * at_once + together + 2 > registers ? 1.3 : 1;
    const double key_ns = (dots * spills + reduce + exponential + weighted) * clock * tiles;
    // From memory once. Heads of a group read a chunk, a tile of rows each, from where it was asked for ahead, beside the next one's keys; a single
    // row reads as the cache lies.
    const double far = machine.read_ns(work.cache_row_bytes, all_keys * work.cache_row_bytes);
    constexpr double held = 2.1;  // chunks in the cache: this one's keys and values, the next one's keys, and what else there is
    const double times = tile == 1 ? tiles - 1 : tiles;
    const double near = machine.read_ns(work.cache_row_bytes, held * p.split_kv * work.cache_row_bytes) * times;
    const double chunks = std::ceil(work.seq_len_kv / p.split_kv), parts = chunks * work.kv_heads;
    const double part_ns = rows_a_head * (columns + 1) * 4 * clock + part_task_ns;
    const double total = all_keys * std::max(key_ns + near, far) + parts * part_ns;
    return total * imbalance(parts, work.threads) / work.threads * 1e-6;
}

double predicted_ms(const AttentionSpec &spec, const LinearShape &shape, int registers, const MachineLimits &machine,
                    const CallWork &work) {
    const double clock = machine.clock_ns(shape.vector), vector = shape.vector;
    const double head_dim = shape.head_dims(spec.head_dim), columns = shape.columns(spec.head_dim_v);
    const double keys = work.seq_len_kv * work.kv_heads, rows = work.rows;
    // Clocks of a multiply-add of a vector in register tiles of so many rows, or head dims.
    const auto product = [&](int others) {
        return (step_clocks(shape.tile_columns, others, registers) + turn_clocks) / (shape.tile_columns * others);
    };
    const double pairs = spec.mask ? shape.chunk : 0;  // of a row: products of all, values of half of them
    const double read_clocks = rows * (head_dim * columns + pairs / 2 * columns + pairs * head_dim) / vector * product(shape.tile_rows);
    const double update_clocks = keys * head_dim * columns / vector * product(shape.tile_d);
    // Features, the keys side by side, and what is written out.
    const double feature_clocks = (rows + 2 * keys) * head_dim / vector * exp2_clocks + keys * head_dim + rows * columns / vector * 3;
    // The state is read by a chunk's rows, and read and written by its keys.
    const double chunks = std::ceil(work.seq_len_kv / shape.chunk) * work.kv_heads, state_bytes = 4 * head_dim * columns;
    const double state_ns = chunks * machine.read_ns(3 * state_bytes, 2 * state_bytes);
    const double total = (read_clocks + update_clocks + feature_clocks) * clock + state_ns + 2 * chunks * task_ns / 4;
    return total * imbalance(work.kv_heads, work.threads) / work.threads * 1e-6;
}

}  // namespace attune

#include "schedules/cpu_split_rows.h"

#include "schedules/transposed_tile.h"
#include "schedules/visit_loop.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace attune {

using namespace Halide;

namespace {

constexpr int values_of_ask = 16;  ///< keys whose values meet weights between two asks

/// Register tiles whose sums take half of the registers.
struct Tiles {
    int keys;                        ///< times a strip and lanes together
    int rows, columns, all_columns;  ///< of values
};

Tiles tiles_of(const AttentionTask &task, int registers) {
    constexpr int value_vectors = 2;
    const int vector = task.shape.vector, all = split_value_columns(task.spec, vector), sums = registers / 2;
    return {std::max(1, sums * vector / split_row_strip / split_row_lanes), sums / value_vectors, std::gcd(all, value_vectors * vector),
            all};
}

class Schedule {
public:
    Schedule(const AttentionTask &task, SplitRowStages &stages, int registers)
        : task_(task), stages_(stages), vector_(task.shape.vector), tiles_(tiles_of(task, registers)),
          strips_((task.shape.block_q + split_row_strip - 1) / split_row_strip) {}

    void place() {
        query();
        scores();
        weights();
        weighted();
        part();
    }

private:
    Func &per_row(Func f) {
        return f.compute_root().bound_extent(i, split_row_strip).bound_storage(s, strips_).vectorize(i, vector_).unroll(i);
    }

    void copy(Func f, const LoopLevel &at, int keys) {
        if (f.defined())
            f.compute_at(at).bound_extent(k, keys).vectorize(d, vector_, TailStrategy::RoundUp);
    }

    /// Transposed through small tiles, as in cpu_query_lanes.
    void query() {
        const int dims = std::gcd(task_.spec.head_dim, 8);
        const Var dt("dt");
        per_row(stages_.query).bound_extent(d, task_.spec.head_dim).split(d, dt, d, dims).reorder(i, d, dt, s).unroll(d);
        schedule_transposed_tile(stages_.query_tile, LoopLevel(stages_.query, dt), i, split_row_strip, d, dims, s);
    }

    /// Keys of a tile meet one strip, or half as many keys two: fewer loads, where strips are even in number.
    void scores() {
        const Var tile("tile"), pair("pair"), keys("keys"), v("v");
        per_row(stages_.logits)
            .bound_storage(k, task_.shape.block_kv)
            .split(k, tile, k, tiles_.keys, TailStrategy::RoundUp)
            .never_partition_all();
        const Expr strips = (task_.args.num_positions * task_.shape.fold + split_row_strip - 1) / split_row_strip;
        const Expr in_pairs = strips % 2 == 0, whole = task_.args.masked == 0;
        Stage all(stages_.logits);
        // A chunk with a mask, mostly the last, does without pairs: each variant is 5 KB of code.
        for (auto [logits, at_once] : {std::pair(all.specialize(in_pairs && whole), 2), {all.specialize(whole), 1}, {all, 1}})
            logits.split(s, pair, s, at_once)
                .split(k, keys, k, std::max(1, tiles_.keys / at_once))
                .reorder(i, k, s, keys, pair, tile)
                .unroll(s);
        copy(stages_.key, LoopLevel(stages_.logits, tile), tiles_.keys);
        const int steps = head_dim_steps(task_);
        const Var lane(visit_loop + std::string("_lane"));
        for (Func f : {stages_.scores, stages_.kept_scores})
            f.compute_at(stages_.logits, keys).bound_extent(i, split_row_strip).vectorize(i, vector_).unroll(i).unroll(k).unroll(s);
        stages_.kept_scores.bound_extent(v, vector_ / split_row_lanes)
            .reorder_storage(i, k, s, v)
            .store_in(MemoryType::Stack)
            .rename(v, lane)
            .reorder(i, k, s, lane);
        stages_.lane_scores.compute_at(stages_.kept_scores, lane)
            .bound_extent(i, split_row_strip)
            .bound_extent(v, split_row_lanes)
            .unroll(v)
            .vectorize(i, vector_)
            .unroll(i)
            .unroll(k)
            .unroll(s)
            .update()
            .reorder(i, k, s, v, stages_.over_d)
            .unroll(v)
            .vectorize(i, vector_)
            .unroll(i)
            .unroll(k)
            .unroll(s)
            .unroll(stages_.over_d, std::gcd(steps, 8));
    }

    void weights() {
        for (Func f : {stages_.maxima, stages_.sums})
            per_row(f).bound_extent(c, vector_).update().reorder(i, c, stages_.over_chains, s).vectorize(i, vector_).unroll(i).unroll(c);
        per_row(stages_.maximum);
        per_row(stages_.weights).bound_storage(k, task_.shape.block_kv);
    }

    /// Columns in lanes: a value meets some rows, and a broadcast weight some vectors of columns.
    void weighted() {
        const Var columns("columns"), rows("rows");
        const RVar some(visit_loop + std::string("_values")), key = stages_.over_k.x, block = stages_.over_k.y;
        stages_.weighted.compute_root()
            .bound_extent(d, tiles_.all_columns)
            .bound_storage(r, strips_ * split_row_strip)
            .vectorize(d, vector_);
        for (Stage sums : {stages_.weighted.update().specialize(task_.args.masked == 0), Stage(stages_.weighted.update())})
            sums.split(d, columns, d, tiles_.columns)
                .split(r, rows, r, tiles_.rows, TailStrategy::RoundUp)
                .split(key, some, key, values_of_ask)
                .reorder(d, r, key, some, columns, rows, block)
                .vectorize(d, vector_)
                .unroll(d)
                .unroll(r);
        copy(stages_.value, LoopLevel(stages_.weighted, block), split_row_block);
    }

    void part() {
        const Var column("column");
        stages_.part.bound(column, 0, tiles_.all_columns + vector_).vectorize(column, vector_).never_partition(r);
    }

    const AttentionTask &task_;
    SplitRowStages &stages_;
    const int vector_;
    const Tiles tiles_;
    const int strips_;
    const Var i{"i"}, d{"d"}, s{"s"}, k{"k"}, c{"c"}, r{"r"};
};

}  // namespace

void schedule_cpu_split_rows(const AttentionTask &task, SplitRowStages &stages, int registers) {
    Schedule(task, stages, registers).place();
}

int split_row_asks(const AttentionTask &task, int registers) {
    const Tiles tiles = tiles_of(task, registers);
    const int keys = task.shape.block_kv, of_values = tiles.all_columns / tiles.columns * (split_row_strip / tiles.rows);
    return keys / tiles.keys * (task.shape.vector / split_row_lanes) + keys / values_of_ask * of_values;
}

}  // namespace attune

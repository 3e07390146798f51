#include "schedules/cpu_split_tiles.h"

#include "schedules/visit_loop.h"

#include <numeric>
#include <string>

namespace attune {

using namespace Halide;

namespace {

constexpr int split_tile_keys_at_once = 64;   ///< of a product with the query: chains that hide each other's latency
constexpr int split_tile_pairs_at_once = 32;  ///< of columns
constexpr int split_weights_at_once = 8;

class Schedule {
public:
    Schedule(const AttentionTask &task, SplitTileStages &stages)
        : task_(task), stages_(stages), vector_(task.shape.vector), block_(task.shape.tile_kv),
          strips_((task.shape.block_q + split_strip - 1) / split_strip), pairs_(split_tile_columns(task) / 2) {}

    void place() {
        query();
        scores();
        weights();
        weighted();
        part();
    }

private:
    /// Strips of rows in lanes, for as many as a call can have.
    Func &per_row(Func f) { return f.compute_root().bound_extent(i, split_strip).bound_storage(s, strips_).vectorize(i, vector_); }

    /// Transposed through small tiles, as in cpu_query_lanes.
    void query() {
        const int steps = task_.product_steps(), dims = std::gcd(steps, 8);
        if (stages_.query.defined())
            stages_.query.compute_root()
                .bound_extent(i, split_strip)
                .bound_storage(s, strips_)
                .bound_extent(d, 2 * steps)
                .vectorize(d, vector_);
        for (size_t term = 0; term < stages_.query_pairs.size(); term++) {
            const Var dt("dt");
            per_row(stages_.query_pairs[term]).bound_extent(d, steps).split(d, dt, d, dims).reorder(i, d, dt, s).unroll(d);
            stages_.query_tiles[term]
                .compute_at(stages_.query_pairs[term], dt)
                .bound_extent(d, dims)
                .reorder(d, i, s)
                .vectorize(d)
                .unroll(i)
                .store_in(MemoryType::Stack);
        }
    }

    /// A stage that matrix tiles compute: loops of scalars, which become one call (backend/tile_contractions.h).
    void scores() {
        const Var block(visit_loop + std::string("_keys"));
        per_row(stages_.logits)
            .bound_storage(k, task_.shape.block_kv)
            .split(k, block, k, split_tile_keys_at_once, TailStrategy::RoundUp)
            .reorder(i, k, s, block)
            .never_partition_all()
            .specialize(task_.args.masked == 0);
        stages_.key.compute_at(stages_.logits, block)
            .bound_extent(k, split_tile_keys_at_once)
            .bound_extent(d, task_.product_steps())
            .vectorize(d, vector_);
        for (Func *scores : {&stages_.scores, &stages_.scores_in_place}) {
            if (!scores->defined())
                continue;
            scores->compute_at(stages_.logits, s)
                .bound_extent(i, split_strip)
                .bound_extent(k, split_tile_keys_at_once)
                .vectorize(i, vector_);
            for (int update = 0; update < scores->num_update_definitions(); update++)
                scores->update(update).reorder(stages_.over_d, i, k);
        }
    }

    void weights() {
        const Var some(visit_loop + std::string("_weights")), tile(visit_loop + std::string("_turned")), half("half"), x("x"), pair("pair");
        for (Func f : {stages_.maxima, stages_.sums})
            per_row(f).bound_extent(c, split_chains).update().reorder(i, c, stages_.over_chains, s).vectorize(i, vector_).unroll(c);
        per_row(stages_.maximum);
        per_row(stages_.weights)
            .bound_storage(k, task_.shape.block_kv)
            .split(k, some, k, split_weights_at_once, TailStrategy::RoundUp)
            .reorder(i, k, some, s);
        // Rows 2 KB apart would lie in two sets of the first-level cache, which have no room for a tile.
        constexpr int line = 16;
        stages_.turned.compute_root()
            .bound_extent(j, 2 * split_strip)
            .bound_storage(k, task_.shape.block_kv + line)
            .bound_storage(s, strips_)
            .update()
            .split(k, tile, k, 2 * split_strip)
            .split(k, half, k, vector_)
            .reorder(k, half, stages_.over_turned.x, stages_.over_turned.y, stages_.over_turned.z, tile, s)
            .vectorize(k)
            .unroll(half)
            .unroll(stages_.over_turned.x)
            .unroll(stages_.over_turned.y);
        for (Func &f : stages_.turns) {
            f.compute_at(stages_.turned, tile).bound_extent(x, split_strip * split_strip).store_in(MemoryType::Stack);
            if (&f != &stages_.turns.front())
                f.split(x, pair, x, 2).reorder(x, pair).unroll(x).vectorize(pair, vector_).unroll(pair);
            else
                f.vectorize(x, vector_).unroll(x);
        }
    }

    /// Sums of a block of keys at a time, in groups of columns.
    void sums_of_tiles(Func weighted, const RDom &over) {
        const Var columns("columns");
        weighted.compute_root().bound_extent(d, pairs_).bound_extent(j, 2 * split_strip).bound_storage(s, strips_).vectorize(d, vector_);
        for (Stage sums : {weighted.update(0).specialize(split_few_rows(task_)), weighted.update(0)})
            sums.split(d, columns, d, std::gcd(pairs_, split_tile_pairs_at_once), TailStrategy::RoundUp)
                .reorder(over.x, d, over.y, columns, s, over.z);
    }

    void weighted() {
        const Var v("v");
        sums_of_tiles(stages_.weighted_whole, stages_.over_whole);
        if (stages_.value.defined())
            stages_.value.compute_at(stages_.weighted_whole, stages_.over_whole.z)
                .bound_extent(k, block_)
                .bound_extent(d, pairs_)
                .vectorize(d, vector_);

        sums_of_tiles(stages_.weighted, stages_.over_tiles);
        stages_.usual_value.compute_at(stages_.weighted, stages_.over_tiles.z)
            .bound_extent(k, block_)
            .bound_extent(d, pairs_)
            .vectorize(d, vector_);
        const RVar key = stages_.over_hidden.x, hidden_block = stages_.over_hidden.y;
        stages_.weighted.update(1).reorder(d, j, key, s, hidden_block).vectorize(d, vector_);
        stages_.unusual.compute_at(stages_.weighted, hidden_block).bound_extent(v, vector_).vectorize(v);
        stages_.unusual.update().reorder(v, stages_.over_rows.x, stages_.over_rows.y).vectorize(v);
    }

    void part() {
        const Var column("column"), r("r"), pair("pair"), v("v");
        stages_.columns.compute_root()
            .bound_extent(column, 2 * pairs_)
            .bound_storage(s, strips_)
            .split(column, pair, column, 2)
            .reorder(column, pair, i, s)
            .unroll(column)
            .vectorize(pair, vector_);
        stages_.reference.compute_root().bound_storage(i, split_strip).bound_storage(s, strips_);
        stages_.largest.compute_at(stages_.reference, i).bound_extent(v, vector_).vectorize(v).update().vectorize(v);
        const int columns = split_value_columns(task_.spec, vector_);
        stages_.part.bound(column, 0, columns + vector_).vectorize(column, vector_).never_partition(r);
    }

    const AttentionTask &task_;
    SplitTileStages &stages_;
    const int vector_, block_, strips_, pairs_;
    const Var i{"i"}, d{"d"}, s{"s"}, k{"k"}, c{"c"}, j{"j"};
};

}  // namespace

void schedule_cpu_split_tiles(const AttentionTask &task, SplitTileStages &stages) {
    Schedule(task, stages).place();
}

int split_tile_asks(const AttentionTask &task) {
    const int keys = task.shape.block_kv, edge = matrix_tile_edge, pairs = split_tile_columns(task) / 2;
    const int products = keys / edge * (task.product_steps() + pairs * (task.shape.fold > split_half ? 2 : 1)) / edge;
    return keys / split_tile_keys_at_once + keys / split_weights_at_once + keys / (2 * split_strip) + products / products_of_ask;
}

}  // namespace attune

#include "schedules/cpu_split_tiles.h"

#include "schedules/visit_loop.h"

#include <numeric>
#include <string>

namespace attune {

using namespace Halide;

namespace {

class Schedule {
public:
    Schedule(const AttentionTask &task, SplitTileStages &stages)
        : task_(task), stages_(stages), vector_(task.shape.vector), block_(task.shape.tile_kv),
          strips_((task.shape.block_q + split_strip - 1) / split_strip), columns_(split_value_columns(task.spec, vector_)) {}

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
        const Var block(visit_loop + std::string("_block")), a_row(visit_loop + std::string("_key"));
        per_row(stages_.logits)
            .bound_storage(k, task_.shape.block_kv)
            .split(k, block, k, block_, TailStrategy::RoundUp)
            .reorder(i, k, s, block)
            .never_partition_all();
        stages_.key.compute_at(stages_.logits, block)
            .bound_extent(k, block_)
            .bound_extent(d, task_.product_steps())
            .rename(k, a_row)
            .vectorize(d, vector_);
        stages_.scores.compute_at(stages_.logits, s).bound_extent(i, split_strip).bound_extent(k, block_).vectorize(i, vector_);
        for (int update = 0; update < stages_.scores.num_update_definitions(); update++)
            stages_.scores.update(update).reorder(stages_.over_d, i, k);
    }

    void weights() {
        per_row(stages_.maximum).update().reorder(i, stages_.over_keys, s).vectorize(i, vector_);
        per_row(stages_.pairs).bound_storage(p, task_.shape.block_kv / 2).reorder(i, p, s);
        per_row(stages_.sums).bound_extent(j, split_chains).update().reorder(i, j, stages_.over_pairs, s).vectorize(i, vector_).unroll(j);
        const Var pt("pt");
        stages_.turned.compute_root()
            .bound_extent(i, split_strip)
            .bound_storage(p, task_.shape.block_kv / 2)
            .bound_storage(s, strips_)
            .split(p, pt, p, vector_)
            .reorder(p, i, pt, s)
            .vectorize(p)
            .unroll(i);
        stages_.turned_tile.compute_at(stages_.turned, pt)
            .bound_extent(p, vector_)
            .bound_extent(i, split_strip)
            .reorder(i, p, s)
            .vectorize(i, vector_)
            .unroll(p)
            .store_in(MemoryType::Stack);
    }

    void weighted() {
        const RVar block(visit_loop + std::string("_values"));
        const Var pair(visit_loop + std::string("_pair")), v("v");
        stages_.weighted.compute_root()
            .bound_extent(d, columns_)
            .bound_extent(i, split_strip)
            .bound_storage(s, strips_)
            .vectorize(d, vector_);
        stages_.weighted.update(0).rename(stages_.over_tiles.y, block).reorder(stages_.over_tiles.x, d, i, s, block);
        stages_.value.compute_at(stages_.weighted, block)
            .bound_extent(p, block_ / 2)
            .bound_extent(d, columns_)
            .rename(p, pair)
            .vectorize(d, vector_)
            .specialize(task_.args.masked == 0);

        const RVar key = stages_.over_hidden.x, hidden_block = stages_.over_hidden.y;
        stages_.weighted.update(1).reorder(d, i, key, s, hidden_block).vectorize(d, vector_);
        stages_.unusual.compute_at(stages_.weighted, hidden_block).bound_extent(v, vector_).vectorize(v);
        stages_.unusual.update().reorder(v, stages_.over_rows.x, stages_.over_rows.y).vectorize(v);
    }

    void part() {
        const Var column("column"), r("r");
        stages_.part.bound(column, 0, columns_ + vector_).vectorize(column, vector_).never_partition(r);
    }

    const AttentionTask &task_;
    SplitTileStages &stages_;
    const int vector_, block_, strips_, columns_;
    const Var i{"i"}, d{"d"}, s{"s"}, k{"k"}, p{"p"}, j{"j"};
};

}  // namespace

void schedule_cpu_split_tiles(const AttentionTask &task, SplitTileStages &stages) {
    Schedule(task, stages).place();
}

int split_tile_asks(const BlockShape &shape) {
    // Of a block: itself and each key, then itself and each pair of values.
    return shape.block_kv / shape.tile_kv * (1 + shape.tile_kv + 1 + shape.tile_kv / 2);
}

}  // namespace attune

#include "schedules/cpu_split_integer_tiles.h"

#include "attune/kernel.h"
#include "schedules/transposed_tile.h"
#include "schedules/visit_loop.h"

#include <algorithm>
#include <string>

namespace attune {

using namespace Halide;

namespace {

constexpr int keys_at_once = 64;  ///< of a product with the query: chains that hide each other's latency
constexpr int edge = matrix_tile_edge;

class Schedule {
public:
    Schedule(const AttentionTask &task, SplitIntegerStages &stages)
        : task_(task), stages_(stages), split_(stages.split), vector_(task.shape.vector), at_rows_(split_.part, rows_) {}

    void place() {
        part();
        query();
        scores();
        weights();
        if (is_grouped_)
            weighted_in_groups();
        else
            weighted();
    }

private:
    void part() {
        const int columns = split_value_columns(task_.spec, vector_);
        split_.part.bound(column_, 0, columns + vector_);
        for (Stage stage : {split_.part.specialize(task_.args.masked == 0), Stage(split_.part)})
            stage.split(r_, rows_, r_, ATTUNE_SPLIT_TILE_ROWS, TailStrategy::RoundUp)
                .reorder(column_, r_, rows_)
                .vectorize(column_, vector_)
                .never_partition(rows_);
    }

    void query() {
        for (Func f : {split_.query, stages_.query_number})
            f.compute_at(at_rows_).vectorize(d_, vector_).store_in(MemoryType::Stack);
        for (Func f : {split_.query_largest, split_.query_scale})
            f.compute_at(at_rows_).store_in(MemoryType::Stack);
        split_.query_largest.update().atomic().vectorize(split_.over_row, vector_);
        const int steps = task_.spec.head_dim / 4;
        const Var dt("dt"), ct("ct");
        stages_.query_quads.compute_at(at_rows_)
            .bound_extent(c_, columns_)
            .bound_extent(d_, steps)
            .split(d_, dt, d_, edge)
            .split(c_, ct, c_, edge)
            .reorder(c_, d_, ct, dt, t_)
            .vectorize(c_)
            .unroll(d_);
        schedule_transposed_tile(stages_.query_packed, LoopLevel(stages_.query_quads, ct), c_, edge, d_, edge, t_);
    }

    void scores() {
        const Var key_tile(visit_loop + std::string("_keys")), block("key_block");
        split_.logits.compute_at(at_rows_)
            .bound_storage(k_, task_.shape.block_kv)
            .split(k_, block, k_, keys_at_once, TailStrategy::RoundUp)
            .split(k_, key_tile, k_, vector_)
            .reorder(k_, r_, key_tile, block)
            .vectorize(k_)
            .unroll(r_);
        const LoopLevel at_block(split_.logits, block);
        stages_.key.compute_at(at_block).bound_extent(k_, keys_at_once).bound_extent(d_, task_.spec.head_dim);
        if (is_grouped_) {
            const Var half("half");
            stages_.key.split(d_, half, d_, task_.spec.head_dim / 2).reorder(d_, half, k_).unroll(half);
        }
        stages_.key.vectorize(d_, std::min(4 * vector_, is_grouped_ ? task_.spec.head_dim / 2 : task_.spec.head_dim));
        for (Func *scores : {&stages_.scores, &stages_.scores_in_place})
            if (scores->defined()) {
                scores->compute_at(at_block).bound_extent(c_, columns_).bound_extent(k_, keys_at_once).vectorize(c_, vector_);
                scores->update().reorder(stages_.over_quads, c_, k_, t_);
            }
        // The two bytes of four rows, or the groups of each.
        stages_.turned.compute_at(split_.logits, key_tile)
            .bound_extent(k_, vector_)
            .bound_extent(c_, is_grouped_ ? columns_ / 2 : 2 * ATTUNE_SPLIT_TILE_ROWS)
            .reorder(c_, k_, t_)
            .vectorize(c_)
            .unroll(k_)
            .store_in(MemoryType::Stack);
        if (is_grouped_) {
            const Var row("row");
            stages_.grouped.compute_at(split_.logits, key_tile)
                .bound_extent(c_, columns_ / 2)
                .bound_extent(k_, vector_)
                .split(c_, row, c_, task_.spec.head_dim / i4_group)
                .reorder(c_, row, k_, t_)
                .vectorize(c_)
                .vectorize(row)
                .unroll(k_)
                .store_in(MemoryType::Stack);
        }
    }

    void weights() {
        for (Func f : {split_.lane_maximum, split_.lane_sums, stages_.lane_largest}) {
            if (!f.defined())
                continue;
            f.compute_at(at_rows_).bound_extent(v_, vector_).vectorize(v_).store_in(MemoryType::Stack);
            f.update().reorder(v_, r_, split_.over_keys).vectorize(v_).unroll(r_);
        }
        for (Func f : {split_.maximum, stages_.number_scale, stages_.number_inverse})
            if (f.defined())
                f.compute_at(at_rows_).store_in(MemoryType::Stack);
        const Var some(visit_loop + std::string("_weights"));
        split_.weights.compute_at(at_rows_)
            .bound_storage(k_, task_.shape.block_kv)
            .split(k_, some, k_, vector_, TailStrategy::RoundUp)
            .reorder(k_, r_, some)
            .vectorize(k_)
            .unroll(r_);
    }

    void block_of_weights(SplitIntegerStages::Block &block, int update) {
        const Var some(visit_loop + std::string("_numbers"));
        stages_.sums.update(update).reorder(block.over.x, d_, j_, t_, block.over.y);
        block.quads.compute_at(stages_.sums, block.over.y)
            .bound_extent(j_, split_integer_rows)
            .bound_extent(k_, split_integer_block)
            .split(k_, some, k_, vector_)
            .reorder(k_, j_, some, t_)
            .vectorize(k_)
            .unroll(j_);
        block.number.compute_at(block.quads, some).bound_extent(k_, vector_).vectorize(k_).unroll(r_).store_in(MemoryType::Stack);
    }

    void weighted() {
        const bool in_place = split_integers_in_place(task_);
        stages_.sums.compute_at(at_rows_)
            .bound_extent(d_, task_.spec.head_dim_v / 4)
            .bound_extent(j_, split_integer_rows)
            .vectorize(d_, vector_);
        if (in_place)
            block_of_weights(stages_.whole, 0);
        block_of_weights(stages_.copied, in_place ? 1 : 0);
        stages_.value.compute_at(stages_.sums, stages_.copied.over.y)
            .bound_extent(k_, split_integer_block)
            .bound_extent(d_, task_.spec.head_dim_v)
            .vectorize(d_, 4 * vector_);
        const Var of_quad("of_quad");
        split_.weighted.compute_at(at_rows_)
            .bound_extent(d_, task_.spec.head_dim_v)
            .split(d_, d_, of_quad, 4)
            .reorder(of_quad, d_, r_)
            .unroll(of_quad)
            .vectorize(d_, vector_)
            .store_in(MemoryType::Stack);
    }

    void weighted_in_groups() {
        const int groups = task_.spec.head_dim_v / i4_group;
        const Var some(visit_loop + std::string("_numbers")), word("word"), nibble("nibble");
        stages_.group_sums.compute_at(at_rows_)
            .bound_extent(d_, edge)
            .bound_extent(j_, edge)
            .bound_extent(g_, groups)
            .vectorize(d_, vector_)
            .update()
            .reorder(stages_.over_keys.x, d_, j_, g_, t_, stages_.over_keys.y)
            .unroll(g_);
        const LoopLevel at_block(stages_.group_sums, stages_.over_keys.y);
        stages_.weight_pairs.compute_at(at_block)
            .bound_extent(k_, split_integer_block)
            .bound_extent(j_, edge)
            .bound_extent(g_, groups)
            .split(k_, some, k_, vector_)
            .reorder(k_, j_, g_, some, t_)
            .vectorize(k_)
            .unroll(j_)
            .unroll(g_);
        stages_.value.compute_at(at_block)
            .bound_extent(k_, split_integer_block)
            .bound_extent(d_, task_.spec.head_dim_v)
            .split(d_, d_, word, i4_group / 4)
            .split(d_, d_, nibble, 4)
            .reorder(word, nibble, d_, k_)
            .vectorize(word)
            .vectorize(nibble)
            .unroll(d_);
        stages_.value_words.compute_at(at_block)
            .bound_extent(k_, split_integer_block)
            .bound_extent(d_, task_.spec.head_dim_v / 4)
            .vectorize(d_);
        stages_.value_scale.compute_at(stages_.weight_pairs, some)
            .bound_extent(k_, vector_)
            .bound_extent(g_, groups)
            .reorder(g_, k_)
            .vectorize(g_)
            .unroll(k_)
            .store_in(MemoryType::Stack);
        const Var of_four("of_four");
        split_.weighted.compute_at(at_rows_)
            .bound_extent(d_, task_.spec.head_dim_v)
            .split(d_, d_, of_four, 4)
            .reorder(of_four, d_, r_)
            .unroll(of_four)
            .vectorize(d_, i4_group / 4)
            .store_in(MemoryType::Stack);
    }

    const AttentionTask &task_;
    SplitIntegerStages &stages_;
    SplitStages &split_;
    const int vector_;
    const bool is_grouped_ = task_.spec.cache.dtype == KvDType::i4;
    const int columns_ = is_grouped_ ? 2 * ATTUNE_SPLIT_TILE_ROWS * task_.spec.head_dim / i4_group : edge;  ///< of query tiles
    const Var rows_{"rows"}, column_{"column"}, d_{"d"}, k_{"k"}, r_{"r"}, c_{"c"}, t_{"t"}, j_{"j"}, v_{"v"}, g_{"g"};
    const LoopLevel at_rows_;
};

}  // namespace

void schedule_cpu_split_integers(const AttentionTask &task, SplitIntegerStages &stages) {
    Schedule(task, stages).place();
}

int split_integer_asks(const AttentionTask &task) {
    const int steps = task.shape.block_kv / edge, tiles = task.spec.head_dim / (4 * edge), value_tiles = task.spec.head_dim_v / (4 * edge);
    const bool is_grouped = task.spec.cache.dtype == KvDType::i4;
    const int products = steps * (is_grouped ? tiles * tiles + 2 * value_tiles : tiles + 3 * value_tiles);
    return 3 * steps + products / products_of_ask;
}

}  // namespace attune

#include "schedules/gpu_flash_tiles.h"

#include <algorithm>
#include <fmt/format.h>

namespace attune {

using namespace Halide;

const std::vector<ScheduleParameter<GpuFlashParameters>> &gpu_flash_parameters() {
    static const std::vector<ScheduleParameter<GpuFlashParameters>> parameters = {
        {"block_q",
         &GpuFlashParameters::block_q,
         8,
         256,
         {32, 64, 128},
         "Query rows of a work-group, a multiple of threads_y. Larger: keys are read less often, more registers and shared memory."},
        {"block_kv",
         &GpuFlashParameters::block_kv,
         4,
         128,
         {16, 32, 64},
         "Keys of a chunk, a multiple of threads_x. Larger: fewer barriers and rescalings, more shared memory."},
        {"threads_x", &GpuFlashParameters::threads_x, 4, 32, {8, 16}, "Threads that share a row's keys and head dims."},
        {"threads_y", &GpuFlashParameters::threads_y, 2, 64, {8, 16, 32}, "Threads over rows."},
        {"unroll", &GpuFlashParameters::unroll, 1, 8, {1, 2, 4}, "Steps of the sum over head_dim that are unrolled."},
        {"unroll_keys",
         &GpuFlashParameters::unroll_keys,
         1,
         8,
         {1, 2, 4},
         "Keys of the sum of weighted values that are unrolled, a divisor of block_kv. More: fewer counters and branches, more registers."},
        {"split_keys",
         &GpuFlashParameters::split_keys,
         0,
         1 << 20,
         {256, 512, 1024},
         "Decode: keys of a work-group, a multiple of block_kv; 0 for prefill. Larger: fewer parts to combine, fewer work-groups."},
    };
    return parameters;
}

std::string gpu_flash_parameters_error(const GpuFlashParameters &p) {
    if (const std::string error = parameter_range_error(p, gpu_flash_parameters()); !error.empty())
        return error;
    if (p.block_q % p.threads_y != 0)
        return fmt::format("block_q is {}, expected a multiple of threads_y ({})", p.block_q, p.threads_y);
    if (p.block_kv % p.threads_x != 0)
        return fmt::format("block_kv is {}, expected a multiple of threads_x ({})", p.block_kv, p.threads_x);
    if (p.block_kv % p.unroll_keys != 0)
        return fmt::format("block_kv is {}, expected a multiple of unroll_keys ({})", p.block_kv, p.unroll_keys);
    if (p.split_keys % p.block_kv != 0)
        return fmt::format("split_keys is {}, expected a multiple of block_kv ({})", p.split_keys, p.block_kv);
    if (p.threads_x * p.threads_y > 1024)
        return fmt::format("threads_x * threads_y is {}, expected at most 1024", p.threads_x * p.threads_y);
    return "";
}

int64_t gpu_flash_shared_bytes(const AttentionSpec &spec, const GpuFlashParameters &p, bool merged) {
    const DeviceShape shape = gpu_flash_shape(p, 1);
    const int64_t head_dim = (spec.head_dim + 3) / 4 * 4, query = head_dim * p.block_q, key = head_dim * p.block_kv,
                  value = int64_t(shape.padded_head_dim_v(spec.head_dim_v)) * p.block_kv, weights = p.block_q * p.block_kv;
    if (merged)
        return 4 * (query + std::max(key, value) + 2 * weights);
    // Of a decode block's few rows the stages of full and of masked chunks find no place in one another.
    const int copies = p.split_keys ? 2 : 1;
    return 4 * (query + key + value + copies * (weights + 2 * p.block_q * p.threads_x) + 3 * p.block_q);
}

DeviceShape gpu_flash_shape(const GpuFlashParameters &p, int fold) {
    return {.block_q = p.block_q,
            .block_kv = p.block_kv,
            .threads_x = p.threads_x,
            .threads_y = p.threads_y,
            .fold = fold,
            .split_keys = p.split_keys};
}

std::map<std::string, int> gpu_flash_replicated(const DeviceStages &stages, const DeviceShape &shape) {
    if (!stages.row_sum.defined())
        return {};
    return {{stages.state.name() + ".0", shape.block_q}, {stages.state.name() + ".1", shape.block_q}};
}

namespace {

/// Elements of a vector load or store: at most 4, and a part of `count`.
int vector_width(int count) {
    return count % 4 == 0 ? 4 : count % 2 == 0 ? 2 : 1;
}

/// The schedule of one task's stages. Threads (x, y): x walks keys of a chunk, and head dims of a value; y walks rows.
class FlashSchedule {
public:
    FlashSchedule(DeviceTask &task, DeviceStages &stages, const GpuFlashParameters &parameters)
        : task_(task), stages_(stages), unroll_(parameters.unroll), unroll_keys_(parameters.unroll_keys), shape_(task.shape),
          rows_(shape_.rows_of_thread()), keys_(shape_.keys_of_thread()), columns_(shape_.columns_of_thread(task.spec.head_dim_v)),
          row_vector_(vector_width(rows_)), column_vector_(vector_width(columns_)) {}

    void apply() {
        place_output();
        place_state();
        stage_tile(stages_.query, LoopLevel(stages_.output, qb_), i_, shape_.block_q, task_.padded_head_dim(), true);
        place_chunk(stages_.full);
        place_chunk(stages_.masked);
        // Interval arithmetic does not see that a row of a folded head lies in one block.
        for (Func f : {stages_.query, stages_.state})
            f.bound_extent(qb_, 1);
        if (task_.is_softmax())
            place_sums();
    }

private:
    void place_sums() {
        for (Func f : {stages_.tile_sums, stages_.row_sum, stages_.row_lse})
            f.bound_extent(qb_, 1);
        stages_.tile_sums.compute_at(stages_.output, qb_)
            .store_in(MemoryType::GPUShared)
            .bound(i_, 0, shape_.block_q)
            .bound(t_, 0, shape_.threads_x);
        stages_.tile_sums.split(i_, io_, ii_, rows_).reorder(ii_, t_, io_).gpu_threads(t_, io_);
        vectorize_rows(stages_.tile_sums, ii_);
        per_row(stages_.row_sum, stages_.over_tile_sums, LoopLevel(stages_.output, qb_));
        Func lse = stages_.row_lse;
        if (task_.spec.lse || shape_.split_keys)
            lse.compute_at(stages_.output, qb_)
                .store_in(MemoryType::GPUShared)
                .bound(i_, 0, shape_.block_q)
                .bound(t_, 0, shape_.split_keys ? 2 : 1)
                .split(i_, io_, ii_, rows_)
                .reorder(ii_, t_, io_)
                .gpu_threads(t_, io_)
                .unroll(ii_);
    }

    /// A thread's rows where shared memory is read or written: vectors, unrolled. What lives in registers alone is unrolled and no vector: LLVM keeps
    /// the sums of a loop as pairs of registers then, and a turn of 32 multiply-adds has 11 moves between pairs.
    void vectorize_rows(Stage stage, const VarOrRVar &rows) {
        if (row_vector_ > 1)
            stage.vectorize(rows, row_vector_);
        stage.unroll(rows);
    }

    void place_output() {
        Func output = stages_.output;
        Var row("row");
        output.bound(d_, 0, task_.spec.head_dim_v);
        const bool padded = task_.spec.head_dim_v % columns_ != 0;
        if (shape_.split_keys)
            output.rename(Var("r"), row);
        else
            output.bound(head_, 0, shape_.fold).fuse(head_, position_, row);
        output.split(row, qb_, i_, shape_.block_q, TailStrategy::GuardWithIf)
            .split(i_, io_, ii_, rows_)
            .split(d_, dx_, dd_, columns_, padded ? TailStrategy::GuardWithIf : TailStrategy::Auto)
            .reorder(dd_, ii_, dx_, io_, qb_, hb_, b_)
            .gpu_blocks(qb_, hb_, b_)
            .gpu_threads(dx_, io_)
            .unroll(ii_);
        if (column_vector_ > 1 && !padded)
            output.vectorize(dd_, column_vector_);
        output.unroll(dd_);
    }

    void place_state() {
        Func state = stages_.state;
        state.compute_at(stages_.output, qb_)
            .store_in(MemoryType::Register)
            .bound(i_, 0, shape_.block_q)
            .bound(d_, 0, columns_ * shape_.threads_x);
        state.split(i_, io_, ii_, rows_)
            .split(d_, dx_, dd_, columns_)
            .reorder(ii_, dd_, dx_, io_)
            .gpu_threads(dx_, io_)
            .unroll(dd_)
            .unroll(ii_);
        for (int u = 0; u < 2; u++) {
            Stage update = state.update(u);
            const RVar loop = (u == 0 ? stages_.full : stages_.masked).loop;
            update.split(i_, io_, ii_, rows_)
                .split(d_, dx_, dd_, columns_)
                .reorder({ii_, dd_, dx_, io_, loop})
                .gpu_threads(dx_, io_)
                .unroll(dd_)
                .unroll(ii_);
        }
    }

    /// d-major (`transpose`) or row-major in shared memory, so that a thread's tile reads contiguous elements; four head dims a load.
    void stage_tile(Func tile, const LoopLevel &at, const Var &rows, int num_rows, int columns, bool transpose) {
        const int width = vector_width(columns), threads = shape_.threads(), elements = num_rows * (columns / width);
        const TailStrategy tail = elements % threads == 0 ? TailStrategy::Auto : TailStrategy::GuardWithIf;
        Var all("all"), x("x"), y("y"), step("step"), rest("rest");
        tile.compute_at(at).store_in(MemoryType::GPUShared).bound(rows, 0, num_rows).bound(d_, 0, columns);
        if (transpose)
            tile.reorder_storage(rows, d_);
        tile.split(d_, dx_, dd_, width);
        if (transpose)  // lanes along rows: stores of a warp go side by side
            tile.reorder(dd_, rows, dx_).fuse(rows, dx_, all);
        else  // lanes along head dims: loads of a warp go side by side
            tile.reorder(dd_, dx_, rows).fuse(dx_, rows, all);
        tile.split(all, step, rest, threads, tail)
            .split(rest, y, x, shape_.threads_x)
            .reorder(dd_, step, x, y)
            .gpu_threads(x, y)
            .unroll(step);
        if (width > 1)
            tile.vectorize(dd_);
    }

    /// The threads of a row share its group of rows.
    void per_row(Func f, const RVar &over, const LoopLevel &at) {
        const int width = std::min(shape_.threads_x, rows_);
        const TailStrategy tail = rows_ % width == 0 ? TailStrategy::Auto : TailStrategy::GuardWithIf;
        Var a("a"), x("x");
        f.compute_at(at).store_in(MemoryType::GPUShared).bound(i_, 0, shape_.block_q);
        f.split(i_, io_, ii_, rows_).split(ii_, a, x, width, tail).reorder(a, x, io_).gpu_threads(x, io_);
        f.update().split(i_, io_, ii_, rows_).split(ii_, a, x, width, tail).reorder({over, a, x, io_}).gpu_threads(x, io_).unroll(over);
    }

    void place_chunk(DeviceChunk &chunk) {
        Func state = stages_.state;
        const RVar loop = chunk.loop;
        const LoopLevel in_loop(state, loop);
        const MemoryType registers = MemoryType::Register, shared = MemoryType::GPUShared;
        const RVar over_d = chunk.over_d, over_keys = chunk.over_keys;

        auto in_tiles = [&](Func f, MemoryType memory) {  // a thread's rows x keys
            f.compute_at(in_loop).store_in(memory).bound(i_, 0, shape_.block_q).bound(k_, 0, shape_.block_kv);
            f.split(i_, io_, ii_, rows_).split(k_, kx_, kk_, keys_).reorder(ii_, kk_, kx_, io_).gpu_threads(kx_, io_).unroll(kk_);
            if (memory == shared)
                vectorize_rows(f, ii_);
            else
                f.unroll(ii_);
        };
        auto per_tile = [&](Func f, const RVar &over, MemoryType memory) {
            f.compute_at(in_loop).store_in(memory).bound(i_, 0, shape_.block_q).bound(t_, 0, shape_.threads_x);
            f.split(i_, io_, ii_, rows_).reorder(ii_, t_, io_).gpu_threads(t_, io_);
            vectorize_rows(f, ii_);
            f.update().split(i_, io_, ii_, rows_).reorder({ii_, over, t_, io_}).gpu_threads(t_, io_).unroll(over);
            vectorize_rows(f.update(), ii_);
        };
        chunk.weighted.compute_at(state, dx_).store_in(registers).bound_extent(i_, rows_).bound_extent(d_, columns_);
        chunk.weighted.unroll(d_).unroll(i_);
        chunk.weighted.update().reorder(i_, d_, over_keys).unroll(d_).unroll(i_);
        if (unroll_keys_ > 1)
            chunk.weighted.update().unroll(over_keys, unroll_keys_);

        if (task_.is_softmax()) {
            chunk.tile_sum.compute_at(state, dx_).store_in(registers).bound_extent(i_, rows_).bound_extent(t_, 1);
            chunk.tile_sum.unroll(i_);
            chunk.tile_sum.update().reorder(i_, chunk.over_tile_sums).unroll(chunk.over_tile_sums).unroll(i_);

            // Each thread of a row takes the maximum of all tiles: loads from shared memory instead of a barrier more.
            per_tile(chunk.maximum, chunk.over_maxima, registers);
            per_tile(chunk.tile_maximum, chunk.over_tile_maxima, shared);
            for (Func f : {chunk.tile_maximum, chunk.maximum, chunk.tile_sum})
                f.bound_extent(c_, 1).bound_extent(qb_, 1);
        }
        // Weights stay in registers for their sum; the product with values reads a copy that all threads see.
        Func weights_shared = chunk.weights.in(chunk.weighted);
        in_tiles(weights_shared, shared);
        in_tiles(chunk.weights, registers);
        in_tiles(chunk.logits, registers);
        chunk.scores.compute_at(chunk.logits, kx_).store_in(registers).bound_extent(i_, rows_).bound_extent(k_, keys_);
        chunk.scores.unroll(k_).unroll(i_);
        chunk.scores.update().reorder(i_, k_, over_d).unroll(k_).unroll(i_);
        if (unroll_ > 1)
            chunk.scores.update().unroll(over_d, unroll_);

        stage_tile(chunk.key, in_loop, k_, shape_.block_kv, task_.padded_head_dim(), true);
        stage_tile(chunk.value, in_loop, k_, shape_.block_kv, columns_ * shape_.threads_x, false);

        // What a step of a product reads, as vectors.
        Func query = stages_.query.in(chunk.scores), key = chunk.key.in(chunk.scores), value = chunk.value.in(chunk.weighted),
             weights = weights_shared.in(chunk.weighted);
        for (Func f : {query, key})
            f.compute_at(chunk.scores, over_d).store_in(registers).unroll(d_);
        query.bound_extent(i_, rows_).reorder_storage(i_, d_);
        vectorize_rows(query, i_);
        key.bound_extent(k_, keys_).reorder_storage(k_, d_);
        if (const int width = vector_width(keys_); width > 1)
            key.vectorize(k_, width);
        key.unroll(k_);
        value.compute_at(chunk.weighted, over_keys).store_in(registers).bound_extent(d_, columns_);
        if (column_vector_ > 1)
            value.vectorize(d_, column_vector_);
        value.unroll(d_).unroll(k_);
        weights.compute_at(chunk.weighted, over_keys).store_in(registers).bound_extent(i_, rows_).unroll(k_);
        vectorize_rows(weights, i_);

        for (Func f : {chunk.key, chunk.value, chunk.scores, chunk.logits, chunk.weights, weights_shared, chunk.weighted})
            f.bound_extent(c_, 1).bound_extent(qb_, 1);
    }

    DeviceTask &task_;
    DeviceStages &stages_;
    const int unroll_, unroll_keys_;
    const DeviceShape shape_;
    const int rows_, keys_, columns_;  // of a thread
    const int row_vector_, column_vector_;
    Var i_{"i"}, d_{"d"}, k_{"k"}, t_{"t"}, c_{"c"}, qb_{"qb"}, hb_{"hb"}, b_{"b"}, head_{"folded_head"}, position_{"position"};
    Var io_{"io"}, ii_{"ii"}, dx_{"dx"}, dd_{"dd"}, kx_{"kx"}, kk_{"kk"};
};

}  // namespace

void schedule_gpu_flash(DeviceTask &task, DeviceStages &stages, const GpuFlashParameters &parameters, bool aligned) {
    if (aligned) {
        auto align = [](OutputImageParam array) {
            const int elements = 16 / array.type().bytes();
            array.set_host_alignment(16);
            for (int d = 1; d < array.dimensions(); d++)
                array.dim(d).set_stride(array.dim(d).stride() / elements * elements);
        };
        align(task.args.query), align(task.args.key), align(task.args.value), align(stages.output.output_buffer());
    }
    for (int d = 0; d < stages.output.dimensions(); d++)
        stages.output.output_buffer().dim(d).set_min(0);
    FlashSchedule(task, stages, parameters).apply();
}

}  // namespace attune

#include "schedules/cpu_linear.h"

#include "schedules/visit_loop.h"

#include <algorithm>

namespace attune {

using namespace Halide;

const std::vector<ScheduleParameter<CpuLinearParameters>> &cpu_linear_parameters() {
    using P = CpuLinearParameters;
    static const std::vector<ScheduleParameter<P>> parameters = {
        {"chunk",
         &P::chunk,
         1,
         256,
         {16, 32, 48, 64, 96, 128},
         "linear attention: positions of a task, whose pairs are computed one by one; all before them are in the state. More reads and "
         "writes the "
         "state less often, and has more pairs. 1 with decay or beta. Part of the result's bits"},
        {"tile_rows", &P::tile_rows, 1, 16, {2, 4, 6, 8}, "linear attention: rows of a register tile of the output"},
        {"tile_columns", &P::tile_columns, 1, 8, {1, 2, 3, 4}, "linear attention: vectors of value columns of it, and of the state's"},
        {"tile_d", &P::tile_d, 1, 16, {2, 4, 6, 8}, "linear attention: head dims of a register tile of the state"},
        {"unroll", &P::unroll, 1, 8, {1, 2, 4}, "linear attention: steps of one turn of the inner loops"},
    };
    return parameters;
}

std::string cpu_linear_parameters_error(const CpuLinearParameters &p, int registers) {
    if (const std::string error = parameter_range_error(p, cpu_linear_parameters()); !error.empty())
        return error;
    for (const auto &[name, rows] : {std::pair("tile_rows", p.tile_rows), std::pair("tile_d", p.tile_d)})
        if (const int needed = rows * p.tile_columns + p.tile_columns + 1; needed > registers)
            return fmt::format("{} {} x tile_columns {} takes {} vector registers, expected at most {}", name, rows, p.tile_columns, needed,
                               registers);
    return "";
}

CpuLinearParameters default_linear_parameters(const AttentionSpec &spec, int vector, int registers) {
    CpuLinearParameters p;
    const int vectors = (spec.head_dim_v + vector - 1) / vector;
    // Two vectors of keys a chunk. avx2 (Zen 4), 4096 positions, chunks of 16, 32, 64: head_dim 64 1.29, 1.18, 1 times as fast, head_dim 128 1.18, 1.11, 1:
    // more reads of the state cost less than the pairs that they save.
    p.chunk = std::max(2 * vector, 16);
    p.tile_columns = std::min(registers >= 32 ? 4 : 2, vectors);
    p.tile_rows = p.tile_d = registers >= 32 ? 6 : 4;
    if (takes_one_key(spec)) {
        p.chunk = 1;
        p.tile_rows = std::clamp(spec.group, 1, 4);
        p.tile_columns = std::min(registers >= 32 ? 6 : 3, vectors);
        p.tile_d = 4;
    }
    return p;
}

LinearShape cpu_linear_shape(const CpuLinearParameters &p, int fold, int vector) {
    return {.vector = vector, .fold = fold, .chunk = p.chunk, .tile_rows = p.tile_rows, .tile_columns = p.tile_columns, .tile_d = p.tile_d};
}

namespace {

/// Rows of a chunk in whole tiles.
int whole_rows(const LinearShape &shape) {
    return (shape.rows() + shape.tile_rows - 1) / shape.tile_rows * shape.tile_rows;
}

/// Keys of a chunk in whole register tiles of keys.
int whole_keys(const LinearShape &shape) {
    const int lanes = shape.vector * 2;
    return (shape.chunk + lanes - 1) / lanes * lanes;
}

/// Once a task: an exponential for each head dim, which each tile of columns would compute anew.
void schedule_kept(const LinearTask &task, Func kept) {
    const Var d("d");
    kept.compute_root()
        .bound_storage(d, task.shape.head_dims(task.spec.head_dim))
        .vectorize(d, task.shape.vector, TailStrategy::GuardWithIf);
}

}  // namespace

int linear_asks(const AttentionSpec &spec, const LinearShape &shape) {
    return takes_one_key(spec)
               ? 0
               : whole_rows(shape) / shape.tile_rows * (shape.columns(spec.head_dim_v) / (shape.tile_columns * shape.vector));
}

void schedule_cpu_linear_read(const LinearTask &task, LinearReadStages &stages, const CpuLinearParameters &parameters) {
    const Var d("d"), r("r"), j("j"), v("v"), l("l"), head("folded_head"), position("position");
    const Var vo(visit_loop + std::string("_columns")), vi("vi"), ro("ro"), ri("ri"), jo("jo"), ji("ji");
    const LinearShape &shape = task.shape;
    const int vector = shape.vector, columns = shape.columns(task.spec.head_dim_v), tile = shape.tile_columns * vector;
    const int rows = whole_rows(shape), keys = whole_keys(shape);

    stages.output.vectorize(v, vector, TailStrategy::GuardWithIf);
    stages.output.output_buffer().dim(0).set_min(0);
    stages.output.output_buffer().dim(1).set_bounds(0, shape.fold);
    stages.output.output_buffer().dim(2).set_min(0);
    stages.inverse.compute_root().bound_storage(r, rows);
    if (stages.lane_sums.defined()) {
        stages.lane_sums.compute_at(stages.inverse, r).bound_extent(l, vector).vectorize(l);
        stages.lane_sums.update(0).vectorize(l);
        stages.lane_sums.update(1).vectorize(l);
    }

    // Register tiles of the output: over the state, and over the chunk's keys.
    stages.row_output.compute_root().bound_storage(v, columns).bound_storage(r, rows);
    stages.row_output.split(v, vo, vi, tile, TailStrategy::RoundUp).split(r, ro, ri, shape.tile_rows, TailStrategy::RoundUp);
    stages.row_output.reorder(vi, ri, vo, ro).vectorize(vi, vector).unroll(vi).unroll(ri);
    stages.weighted.compute_at(stages.row_output, vo).bound_extent(v, tile).bound_extent(r, shape.tile_rows).store_in(MemoryType::Register);
    stages.weighted.vectorize(v, vector).unroll(v).unroll(r);
    const auto accumulate = [&](int update, const RVar &step, int unroll) {
        Stage stage = stages.weighted.update(update);
        stage.reorder(v, r, step).vectorize(v, vector).unroll(v).unroll(r);
        if (unroll > 1)
            stage.unroll(step, unroll);
    };
    accumulate(0, stages.over_state, task.spec.head_dim % parameters.unroll == 0 ? parameters.unroll : 1);
    accumulate(1, stages.over_keys, 1);
    accumulate(2, stages.over_own, 1);

    // Products of rows and keys: keys in lanes.
    stages.weights.compute_root().bound_storage(j, keys).bound_storage(r, rows);
    stages.weights.split(j, jo, ji, 2 * vector, TailStrategy::RoundUp).split(r, ro, ri, shape.tile_rows, TailStrategy::RoundUp);
    stages.weights.reorder(ji, ri, jo, ro).vectorize(ji, vector).unroll(ji).unroll(ri);
    stages.products.compute_at(stages.weights, jo)
        .bound_extent(j, 2 * vector)
        .bound_extent(r, shape.tile_rows)
        .store_in(MemoryType::Register);
    stages.products.vectorize(j, vector).unroll(j).unroll(r);
    stages.products.update().reorder(j, r, stages.over_d).vectorize(j, vector).unroll(j).unroll(r);
    stages.key_lanes.compute_root().bound_storage(j, keys).reorder(d, j).vectorize(d, vector, TailStrategy::GuardWithIf);
    if (stages.kept.defined())
        schedule_kept(task, stages.kept);
    for (Func f : {stages.query, stages.from_state})
        if (f.defined())
            f.compute_root()
                .bound_storage(d, shape.head_dims(task.spec.head_dim))
                .bound_storage(r, rows)
                .vectorize(d, vector, TailStrategy::GuardWithIf);
    if (stages.value.defined())
        stages.value.compute_root().bound_storage(v, columns).bound_storage(j, shape.chunk).vectorize(v, vector);
    if (stages.held.defined()) {
        stages.held.compute_root().bound_storage(v, columns).bound_storage(j, shape.chunk).vectorize(v, vector);
        stages.held.update()
            .split(v, vo, vi, tile, TailStrategy::RoundUp)
            .reorder(vi, stages.over_held, j, vo)
            .vectorize(vi, vector)
            .unroll(vi);
        stages.key.compute_root()
            .bound_storage(d, shape.head_dims(task.spec.head_dim))
            .bound_storage(j, shape.chunk)
            .vectorize(d, vector, TailStrategy::GuardWithIf);
        stages.change.vectorize(v, vector);
        stages.change.output_buffer().dim(0).set_bounds(0, columns);
        stages.change.output_buffer().dim(1).set_min(0).set_stride(columns);
    }
}

void schedule_cpu_linear_update(const LinearTask &task, LinearUpdateStages &stages) {
    const Var d("d"), j("j"), v("v"), vo("vo"), vi("vi"), d_o("do"), di("di");
    const LinearShape &shape = task.shape;
    const int vector = shape.vector, columns = shape.columns(task.spec.head_dim_v), head_dims = shape.head_dims(task.spec.head_dim);
    const int tile = shape.tile_columns * vector;

    OutputImageParam buffer = stages.state.output_buffer();
    buffer.dim(0).set_bounds(0, columns);
    buffer.dim(1).set_bounds(0, head_dims).set_stride(columns);
    stages.state.update()
        .split(v, vo, vi, tile)
        .split(d, d_o, di, shape.tile_d)
        .reorder(vi, di, d_o, vo)
        .vectorize(vi, vector)
        .unroll(vi)
        .unroll(di);
    stages.part.compute_at(stages.state, d_o).bound_extent(v, tile).bound_extent(d, shape.tile_d).store_in(MemoryType::Register);
    stages.part.vectorize(v, vector).unroll(v).unroll(d);
    stages.part.update().reorder(v, d, stages.over_keys).vectorize(v, vector).unroll(v).unroll(d);
    if (stages.kept.defined())
        schedule_kept(task, stages.kept);
    stages.key.compute_root().bound_extent(d, head_dims).bound_storage(j, shape.chunk).vectorize(d, vector, TailStrategy::GuardWithIf);
    if (stages.value.defined())
        stages.value.compute_root().bound_extent(v, columns).bound_storage(j, shape.chunk).vectorize(v, vector);
    if (stages.key_sum.defined()) {
        stages.key_sum.output_buffer().dim(0).set_bounds(0, head_dims);
        stages.key_sum.update().vectorize(d, vector, TailStrategy::GuardWithIf);
        stages.key_part.compute_root().bound_extent(d, head_dims).vectorize(d, vector, TailStrategy::GuardWithIf);
        stages.key_part.update().reorder(d, stages.over_key_sum).vectorize(d, vector, TailStrategy::GuardWithIf);
    }
}

}  // namespace attune

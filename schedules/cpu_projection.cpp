#include "schedules/cpu_projection.h"

#include <algorithm>

namespace attune {

using namespace Halide;

const std::vector<ScheduleParameter<CpuProjectionParameters>> &cpu_projection_parameters() {
    using P = CpuProjectionParameters;
    static const std::vector<ScheduleParameter<P>> parameters = {
        {"tile_rows",
         &P::tile_rows,
         1,
         32,
         {4, 6, 8, 12, 14, 16, 32},
         "projections: rows of a register tile. More reads weights less often; fewer wastes less of few rows"},
        {"tile_columns",
         &P::tile_columns,
         1,
         4,
         {1, 2, 3, 4},
         "projections: vectors of outputs of a register tile: a panel of packed weights"},
        {"block_rows",
         &P::block_rows,
         1,
         1024,
         {48, 96, 144, 192},
         "projections: rows of a task, a multiple of tile_rows. More reads weights less often; fewer feeds more threads"},
        {"block_columns", &P::block_columns, 4, 4096, {96, 192, 384, 768}, "projections: outputs of a task, a multiple of a panel"},
        {"block_inputs",
         &P::block_inputs,
         16,
         4096,
         {128, 192, 256, 384, 512},
         "projections: inputs of a chunk: a panel's part of it stays in the first-level cache. Part of the result's bits"},
        {"unroll", &P::unroll, 1, 8, {1, 2, 4, 8}, "projections: inputs, or pairs of them, of one turn of the inner loop"},
    };
    return parameters;
}

namespace {

/// Chunks are whole turns of the inner loop, or whole tiles.
int inputs_of_turn(const CpuProjectionParameters &p) {
    return p.matrix_tiles ? 2 * matrix_tile_edge : p.pairs ? 2 * p.unroll : p.unroll;
}

}  // namespace

std::string cpu_projection_parameters_error(const CpuProjectionParameters &p, int vector, int registers) {
    if (const std::string error = parameter_range_error(p, cpu_projection_parameters()); !error.empty())
        return error;
    if (const int needed = p.tile_rows * p.tile_columns + p.tile_columns + 1; needed > registers && !p.matrix_tiles)
        return fmt::format("tile_rows {} x tile_columns {} takes {} vector registers, expected at most {}", p.tile_rows, p.tile_columns,
                           needed, registers);
    if (p.block_rows % p.tile_rows != 0)
        return fmt::format("block_rows is {}, expected a multiple of tile_rows, {}", p.block_rows, p.tile_rows);
    if (p.block_columns % (p.tile_columns * vector) != 0)
        return fmt::format("block_columns is {}, expected a multiple of {}", p.block_columns, p.tile_columns * vector);
    if (p.matrix_tiles && p.tile_rows % matrix_tile_edge != 0)
        return fmt::format("tile_rows is {}, expected a multiple of a matrix tile's rows, {}", p.tile_rows, matrix_tile_edge);
    if (const int turn = inputs_of_turn(p); p.block_inputs % turn != 0)
        return fmt::format("block_inputs is {}, expected a multiple of {}, {}", p.block_inputs,
                           p.matrix_tiles ? "a matrix tile's inputs"
                           : p.pairs      ? "the inputs of unroll pairs"
                                          : "unroll",
                           turn);
    return "";
}

CpuProjectionParameters default_projection_parameters(const ProjectionSpec &spec, int vector, int registers,
                                                      const MachineOperations &machine) {
    CpuProjectionParameters p;
    p.pairs = machine.dot_bf16 && spec.dtype == DType::bf16;
    p.matrix_tiles = machine.tiles && p.pairs;
    // Of 16 registers 4 x 3 sums leave one for an input. On avx2 (Zen 4, 512 rows of 384 to 1536, and of 4096 to 4096) 1.08 and 1.05 times OpenBLAS's rate;
    // 6 x 2 in blocks of 96 x 192 1.00 and 0.92, and of 14 rows it computes 18: 245 us instead of 212. 3 x 3, which of 14 rows computes 15, is no faster.
    if (p.matrix_tiles) {
        // 1 x 4 tiles of sums take 5 loads for 4 products; 2 x 2 take 4, but compute 32 rows of a short sentence's 14. A chunk of a panel is 32 KB of a
        // first level of 48.
        p.tile_rows = matrix_tile_edge;
        p.tile_columns = 4;
    } else if (registers >= 32) {
        p.tile_rows = 12;
        p.tile_columns = 2;
    }
    const int panel = p.tile_columns * vector;
    p.block_columns = std::min(p.block_columns, (spec.out_features + panel - 1) / panel * panel);
    // Chunks of like size rather than a short last one.
    const int chunks = (spec.in_features + p.block_inputs - 1) / p.block_inputs, each = (spec.in_features + chunks - 1) / chunks;
    const int turn = inputs_of_turn(p);
    p.block_inputs = (std::max(each, 16) + turn - 1) / turn * turn;
    return p;
}

ProjectionShape cpu_projection_shape(const ProjectionSpec &, const CpuProjectionParameters &p, int vector) {
    return {.vector = vector,
            .panel = p.tile_columns * vector,
            .tile_rows = p.tile_rows,
            .block_rows = p.block_rows,
            .block_columns = p.block_columns,
            .block_inputs = p.block_inputs,
            .pairs = p.pairs,
            .matrix_tiles = p.matrix_tiles};
}

void schedule_cpu_projection(const ProjectionTask &task, ProjectionStages &stages, const CpuProjectionParameters &parameters) {
    const Var k("k"), i("i"), t("t"), j("j"), p("p"), n("n"), row("row");
    const ProjectionShape &shape = task.shape;
    const int vector = shape.vector, most_tiles = shape.block_rows / shape.tile_rows, most_panels = shape.block_columns / shape.panel;

    stages.output.vectorize(n, vector, TailStrategy::GuardWithIf);
    stages.output.output_buffer().dim(0).set_min(0);
    stages.output.output_buffer().dim(1).set_min(0);

    stages.sum.compute_root()
        .bound_extent(j, shape.panel)
        .bound_extent(i, shape.tile_rows)
        .bound_storage(p, most_panels)
        .bound_storage(t, most_tiles);
    stages.sum.vectorize(j, vector);
    stages.sum.update().reorder(j, i, t, p, stages.over_chunks.x).vectorize(j, vector).unroll(j).unroll(i);

    stages.part.compute_at(stages.sum, t).bound_extent(j, shape.panel).bound_extent(i, shape.tile_rows);
    stages.part.vectorize(j, vector);
    if (shape.matrix_tiles)  // loops of scalars, which become one call (backend/tile_contractions.h)
        stages.part.update().reorder(stages.over_steps.x, j, i);
    else {
        stages.part.store_in(MemoryType::Register).unroll(j).unroll(i);
        stages.part.update()
            .reorder(j, i, stages.over_steps.x)
            .vectorize(j, vector)
            .unroll(j)
            .unroll(i)
            .unroll(stages.over_steps.x, parameters.unroll);
    }

    stages.rows.compute_at(stages.sum, stages.over_chunks.x)
        .bound_extent(k, shape.steps())
        .bound_extent(i, shape.tile_rows)
        .bound_storage(t, most_tiles)
        .vectorize(k, vector, TailStrategy::GuardWithIf);
    if (stages.panel.defined())
        stages.panel.compute_at(stages.sum, p).bound_extent(j, shape.panel).bound_extent(k, shape.block_inputs).vectorize(j, vector);
}

}  // namespace attune

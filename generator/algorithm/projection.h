#pragma once
#include "Halide.h"
#include "generator/algorithm/machine_operations.h"
#include "generator/spec/layer_spec.h"

#include <vector>

namespace attune {

/// The block structure of a projection: extents are constants, so every intermediate has a constant size. A task computes block_rows rows
/// of block_columns outputs, a register tile of tile_rows x panel at a time, from block_inputs inputs and then the next.
struct ProjectionShape {
    int vector;                 ///< f32 lanes
    int panel;                  ///< outputs whose weights lie side by side: a multiple of vector
    int tile_rows;              ///< rows of a register tile
    int block_rows;             ///< a multiple of tile_rows
    int block_columns;          ///< a multiple of panel
    int block_inputs;           ///< of a chunk
    bool pairs = false;         ///< products of bf16 pairs: two inputs a step
    bool matrix_tiles = false;  ///< of pairs, as contractions of tiles

    int step_inputs() const { return pairs ? 2 : 1; }
    int steps() const { return block_inputs / step_inputs(); }  ///< of a chunk
    int chunks(int in_features) const { return (in_features + block_inputs - 1) / block_inputs; }
    int panels(int out_features) const { return (out_features + panel - 1) / panel; }
};

/// The arguments of a projection's task function (attune/layer_kernel.h), in their order.
struct ProjectionArguments {
    ProjectionArguments(const ProjectionSpec &spec, const ProjectionShape &shape);

    Halide::ImageParam input;    // (k, row)
    Halide::ImageParam weights;  // (column of panel, step, panel, chunk): a task reads them from one end to the other; pairs as uint32
    Halide::ImageParam bias;     // (n), where there is one
    std::vector<Halide::Argument> all() const;

private:
    bool has_bias_;
};

/// i: row of a tile, t: tile, j: column of a panel, p: panel, c: chunk of inputs.
struct ProjectionStages {
    Halide::Func rows;    ///< (step, i, t, c)  of the input, as f32 or pairs of bf16
    Halide::Func panel;   ///< (j, step, p, c)  weights as f32; undefined where they are, or are pairs
    Halide::Func part;    ///< (j, i, p, t, c)  the sum over a chunk
    Halide::Func sum;     ///< (j, i, p, t)     over all of them
    Halide::Func output;  ///< (n, row)
    Halide::RDom over_steps, over_chunks;
};

/// A dense layer over blocks. Sums are two-level, a chunk of inputs and then the total, so that long rows keep their last bits.
class ProjectionTask {
public:
    ProjectionTask(const ProjectionSpec &spec, const ProjectionShape &shape, const MachineOperations &machine)
        : spec(spec), shape(shape), machine(machine), args(spec, shape) {}

    const ProjectionSpec spec;
    const ProjectionShape shape;
    const MachineOperations machine;
    const ProjectionArguments args;

    ProjectionStages define() const;

private:
    /// What a step of a row multiplies: an f32, or a pair; 0 after the last input.
    Halide::Expr row_step(const Halide::Expr &step, const Halide::Expr &row) const;
};

/// The activation of an f32. gelu: within 3e-7 |x| of the exact one.
Halide::Expr activated(Activation activation, const Halide::Expr &x);

}  // namespace attune

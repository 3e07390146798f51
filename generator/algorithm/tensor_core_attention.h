#pragma once
#include "generator/algorithm/device_blocks.h"
#include "generator/gpu/tensor_core_text.h"

namespace attune {

/// One thread's turns through the calls of tensor_core_text.h. t: thread, (qb, hb, b): block of rows, head block, sequence; c: chunk.
struct TensorCoreStages {
    Halide::Func used;   ///< (b)                Tuple: lengths of query and of keys, first row of each
    Halide::Func range;  ///< (qb, hb, b)        Tuple: first chunk, end
    Halide::Func left;   ///< (c, qb, hb, b)     keys of the sequence from a chunk's first on
    Halide::Func kinds;  ///< (c, qb, hb, b)     ChunkKind of this chunk, and where chunks are skipped of the next
    // Tokens of calls:
    Halide::Func state;   ///< (t, qb, hb, b)     before the chunks; then a chunk's values, an update each
    Halide::Func scores;  ///< (c, t, qb, hb, b)  of a chunk; then logits in their place, an update for each kind of chunk that has some
    Halide::Func ahead;   ///< (c, t, qb, hb, b)  with the next chunk's keys on their way
    Halide::Func late;    ///< (t, qb, hb, b)     t, after the last chunk
    Halide::RDom chunk;   ///< of state's update
    std::vector<Halide::RVar> elements;  ///< of scores' updates, e: their loops are unrolled
    Halide::Func output;                 ///< (d, head of fold, position, hb, b)  written by the calls themselves
    Halide::RDom threads;                ///< (t, qb, hb, b): of output's update; qb counts from the last block
};

/// FlashAttention-2 (Dao 2023, arXiv:2307.08691) with its products on tensor cores: operands are rounded to the arrays' type (weights too), sums are
/// f32, softmax is f32. Expressions of the specification are the scores' own; chunks that no row of a block sees are skipped, those that all rows see
/// take no mask.
/// A value that is NaN or infinite at a key that exists and is hidden by the mask makes NaN of the block's rows where the block sees a part of that
/// chunk: its weight of 0 is multiplied by it. Keys past a sequence's length never enter.
class TensorCoreTask : public DeviceBlocks {
public:
    /// `tiles` without what the specification decides: head dims, type, scale and sink.
    TensorCoreTask(const AttentionSpec &spec, const TensorCoreShape &tiles, int fold, const DeviceOperations &operations);

    const TensorCoreShape shape;

    TensorCoreStages define() const;

private:
    Place place_of(const TensorCoreStages &stages, const Halide::Expr &qb, const Halide::Expr &hb, const Halide::Expr &b) const;
    Halide::Expr setup(const TensorCoreStages &stages, const Place &at, const Halide::Expr &t) const;
    void define_scores(TensorCoreStages &stages) const;
    void define_output(TensorCoreStages &stages) const;
};

}  // namespace attune

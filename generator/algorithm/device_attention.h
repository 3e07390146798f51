#pragma once
#include "generator/algorithm/device_blocks.h"

namespace attune {

/// The block of a work-group, and its threads: a grid of threads_x * threads_y; a thread owns a register tile of rows x keys of the scores, and of
/// rows x head dims of the sums.
struct DeviceShape {
    int block_q = 64, block_kv = 32;
    int threads_x = 8, threads_y = 16;
    int fold = 1;
    int split_keys = 0;  ///< of decode

    DeviceBlock block() const { return {block_q, block_kv, fold, split_keys}; }
    int rows_of_thread() const { return block_q / threads_y; }
    int keys_of_thread() const { return block_kv / threads_x; }
    int threads() const { return threads_x * threads_y; }
    /// head_dim_v in whole tiles of all threads of a row.
    int padded_head_dim_v(int head_dim_v) const { return (head_dim_v + threads_x - 1) / threads_x * threads_x; }
    int columns_of_thread(int head_dim_v) const { return padded_head_dim_v(head_dim_v) / threads_x; }
};

/// One chunk of keys: once for chunks that all rows of the block see, once for the others. i: row of the block, k: key of the chunk, t: tile of
/// keys of one thread; `block` stands for (c, qb, hb, b): chunk, block of rows, head block, sequence.
struct DeviceChunk {
    Halide::Func key, value;             ///< (d, k, block)  as f32, padded with 0
    Halide::Func scores;                 ///< (i, k, block)
    Halide::Func logits;                 ///< (i, k, block)  log2 units, hidden ones at hidden_score
    Halide::Func tile_maximum, maximum;  ///< (i, t, block)  of a tile; of the row, for thread t. Of softmax, as are sums
    Halide::Func weights;                ///< (i, k, block)  -0 where hidden
    Halide::Func tile_sum;               ///< (i, t, block)
    Halide::Func weighted;               ///< (i, d, block)
    Halide::RDom over_d, over_keys, over_tile_maxima, over_maxima, over_tile_sums;
    Halide::RDom loop;  ///< over chunks; an update of `state` each
};

struct DeviceStages {
    Halide::Func query;  ///< (d, i, qb, hb, b)  scaled, as f32, padded with 0
    DeviceChunk full, masked;
    /// (i, d, qb, hb, b)  Tuple: maximum, sum, weighted values so far; of sigmoid and relu weighted values alone. The sum is over the keys of the tile of the thread that owns d:
    /// threads add theirs up at the end, not in each chunk.
    Halide::Func state;
    Halide::Func tile_sums;  ///< (i, t, qb, hb, b)  of all chunks
    Halide::Func row_sum;    ///< (i, qb, hb, b)
    Halide::RDom over_tile_sums;
    Halide::Func row_lse;  ///< (i, t, qb, hb, b), t = 0
    Halide::Func
        output;  ///< (d, head of fold, position, hb, b); of parts (d, row of all parts, hb, b), and row_lse is their maximum and sum
};

/// Online softmax over a device's blocks (Milakov & Gimelshein 2018; Dao 2023): chunks relative to their own maximum, combined with the running one.
/// Or sigmoid (Ramapuram et al. 2024) or relu: each weight by itself.
class DeviceTask : public DeviceBlocks {
public:
    DeviceTask(const AttentionSpec &spec, const DeviceShape &shape, const DeviceOperations &operations)
        : DeviceBlocks(spec, shape.block(), operations), shape(shape) {}

    const DeviceShape shape;

    DeviceStages define() const;
    /// head_dim in steps that a vector load takes.
    int padded_head_dim() const { return (spec.head_dim + 3) / 4 * 4; }
    bool is_softmax() const { return attune::is_softmax(spec.normalizer); }

private:
    void define_chunk(DeviceChunk &chunk, const Halide::Func &query, bool masked) const;
    void define_row_sum(DeviceStages &stages) const;
    void define_parts(DeviceStages &stages) const;
    Halide::Expr load(const Halide::ImageParam &tensor, const std::vector<Halide::Expr> &at) const;  ///< as f32
};

}  // namespace attune

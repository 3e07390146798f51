#pragma once
#include "generator/algorithm/attention.h"

namespace attune {

/// The block structure of linear attention: extents are constants, so every intermediate has a constant size.
struct LinearShape {
    int vector;        ///< f32 lanes
    int fold;          ///< query heads of a key/value head side by side: row r is position r / fold of head r % fold
    int chunk;         ///< positions, and keys, of a task
    int tile_rows;     ///< rows of a register tile of the output
    int tile_columns;  ///< vectors of its columns
    int tile_d;        ///< head dims of a register tile of the state

    int rows() const { return chunk * fold; }
    /// Of the state in a task's memory: padded to whole tiles.
    int columns(int head_dim_v) const { return round_up(head_dim_v, tile_columns * vector); }
    int head_dims(int head_dim) const { return round_up(head_dim, tile_d); }

private:
    static int round_up(int n, int to) { return (n + to - 1) / to * to; }
};

/// A chunk's rows, from the state of the keys before it and the chunk's own keys.
struct LinearReadStages {
    Halide::Func kept;        ///< (d)      exp(decay); undefined without decay
    Halide::Func query;       ///< (d, r)   scale * feature(query)
    Halide::Func from_state;  ///< (d, r)   times what decay leaves of the state; undefined without decay
    Halide::Func key;         ///< (d, j)   feature(key)
    Halide::Func key_lanes;   ///< (j, d)   the same, keys side by side
    Halide::Func value;       ///< (v, j)   as f32, or what the delta rule makes of it; undefined where the tensor is that
    Halide::Func held;        ///< (v, j)   what the state holds for a key; undefined without beta
    Halide::Func products;    ///< (j, r)   query · key, of a register tile
    Halide::Func weights;     ///< (j, r)   all of them; those of keys after the row's own are left out by who reads them
    Halide::Func weighted;    ///< (v, r)   over the state, then over keys before the tile of rows, then over its own
    Halide::Func
        lane_sums;  ///< (l, r)   of visible weights, keys l mod vector; and of query times key_sum. Undefined where rows are not divided
    Halide::Func inverse;     ///< (r)      1 / sum, 0 for a row without weight
    Halide::Func row_output;  ///< (v, r)   weighted, divided
    Halide::Func output;      ///< (v, head, position)
    Halide::Func change;      ///< (v, j)   values as the state takes them: an output where there is beta, else undefined
    Halide::RDom over_d, over_state, over_keys, over_own, over_held, over_lanes, over_sum_lanes;
    std::vector<Halide::Func> outputs() const;
};

/// The state after a chunk's keys, in place.
struct LinearUpdateStages {
    Halide::Func kept;      ///< (d)     as LinearReadStages has it
    Halide::Func key;       ///< (d, j)
    Halide::Func value;     ///< (v, j)  undefined where the tensor is that
    Halide::Func part;      ///< (v, d)  sum over the chunk of feature(key) value
    Halide::Func state;     ///< (v, d)  decayed, and part added
    Halide::Func key_part;  ///< (d)     sum over the chunk of feature(key); undefined where rows are not divided
    Halide::Func key_sum;   ///< (d)
    Halide::RDom over_keys, over_key_sum;
    std::vector<Halide::Func> outputs() const;
};

/// Linear attention in chunks. Of rows i and keys j, features f:
///   weight(j, i) = scale f(query_i) · f(key_j),  j visible to i         output_i = sum_j weight(j, i) value_j [/ sum_j weight(j, i)]
/// The keys before a chunk enter as their sum, state = sum_j f(key_j) value_j^T, so that work grows with the number of keys:
///   sum over them of weight value_j = scale f(query_i)^T state
/// Katharopoulos et al. 2020 (arXiv:2006.16236); in chunks: Hua et al. 2022 (arXiv:2202.10447), Sun et al. 2023 (arXiv:2307.08621).
/// With decay and beta a task is one key (delta rule; Yang et al. 2024, arXiv:2406.06484, 2412.06464), a = exp(decay):
///   change = beta (value - (a state)^T f(key))        state' = a state + f(key) change^T        output = scale f(query)^T state'
class LinearTask {
public:
    LinearTask(const AttentionSpec &spec, const LinearShape &shape);

    const AttentionSpec spec;
    const LinearShape shape;
    const AttentionTask task;                      ///< its arguments: the scalars of a block, params, query
    const Halide::Param<int> first_key, num_keys;  ///< of the chunk, in its sequence; 0: it has none
    const Halide::ImageParam key, value;           ///< of the chunk: (d, j), (v, j); there is a row without keys too
    const Halide::ImageParam state, key_sum;       ///< (v, d), (d)
    const Halide::ImageParam change;               ///< (v, j), of read

    bool has_decay() const { return !spec.decay.empty(); }
    bool has_beta() const { return !spec.beta.empty(); }

    LinearReadStages define_read() const;
    LinearUpdateStages define_update() const;
    /// The arguments before the outputs, in the order of attune/kernel.h.
    std::vector<Halide::Argument> of_read() const;
    std::vector<Halide::Argument> of_update() const;

private:
    Halide::Expr feature(const Halide::Expr &x) const;
    /// Head dims, and columns, after the last repeat it.
    Halide::Expr key_feature(const Halide::Expr &d, const Halide::Expr &j) const;
    Halide::Expr value_of(const Halide::Expr &v, const Halide::Expr &j) const;
    bool has_value_stage() const;
    /// The element of decay or beta for the task's key.
    Halide::Expr param(const std::string &name, const Halide::Expr &d) const;
    Halide::Func define_kept() const;
};

/// Keys of a task whose keys change the state in turn.
bool takes_one_key(const AttentionSpec &spec);

}  // namespace attune

#pragma once
#include "Halide.h"
#include "generator/spec/spec.h"

#include <functional>
#include <vector>

namespace attune {

/// The block structure that an algorithm is written in: extents are constants, so every intermediate has a constant size.
struct BlockShape {
    int vector;    ///< f32 lanes
    int strip;     ///< query rows of one register tile, in vector lanes: a multiple of vector
    int block_q;   ///< query rows of a task: a multiple of strip
    int block_kv;  ///< keys of a chunk
    int tile_d;    ///< head dims of a register tile; the accumulator's columns are padded to it
};

/// The inputs of a generated function (attune/kernel.h). Rows are numbered inside the task, keys inside the sequence.
struct AttentionArguments {
    explicit AttentionArguments(const AttentionSpec &spec);

    Halide::Param<int> batch, head, kv_head, q_begin, seq_len_q, seq_len_kv;
    Halide::ImageParam query, key, value;     // (d, row), (d, kv), (d, kv)
    Halide::ImageParam key_bound;             // (kv)
    Halide::ImageParam reference, row_class;  // (row)

    Halide::Expr rows() const { return query.dim(1).extent(); }
    std::vector<Halide::Argument> of_rows_function() const;       ///< attune_rows_fn, without its outputs
    std::vector<Halide::Argument> of_reference_function() const;  ///< attune_row_reference_fn, likewise
};

/// The expressions that the algorithms share: which keys a row sees, and the tensors as f32 with indices kept inside.
class AttentionTask {
public:
    AttentionTask(const AttentionSpec &spec, const BlockShape &shape);

    const AttentionSpec spec;
    const BlockShape shape;
    AttentionArguments args;

    /// The number of keys that a row sees: keys 0 … visible_keys(row) - 1. May be 0 or less.
    Halide::Expr visible_keys(const Halide::Expr &row) const;
    /// How many chunks every row of a strip sees whole, some row of it sees at all, and the sequence has.
    Halide::Expr full_chunks(const Halide::Expr &strip) const;
    Halide::Expr visited_chunks(const Halide::Expr &strip) const;
    Halide::Expr chunks() const;
    /// True where all rows see the same keys, so that hiding is a scalar matter.
    bool same_keys_for_all_rows() const { return spec.mask == Mask::none; }

    Halide::Expr query(const Halide::Expr &d, const Halide::Expr &row) const;  ///< rows after the last repeat it
    Halide::Expr key(const Halide::Expr &d, const Halide::Expr &kv) const;
    Halide::Expr value(const Halide::Expr &d, const Halide::Expr &kv) const;  ///< columns after the last repeat it
    /// kv, inside the sequence: keys after the last become it, or are promised not to occur.
    Halide::Expr existing_key(const Halide::Expr &kv, bool clamped) const;

    /// The score scale with log2(e) folded in: softmax in base 2.
    float scale_log2() const;
    Halide::Type type() const;  ///< of query, key, value and output
    /// Column blocks of the accumulator, tile_d wide: head_dim_v padded to whole blocks, then one with the row sum in column 0 and
    /// what the weights are relative to in column 1.
    int value_blocks() const { return (spec.head_dim_v + shape.tile_d - 1) / shape.tile_d; }
    int strips() const { return shape.block_q / shape.strip; }
};

/// How one chunk of keys becomes its contribution: once for chunks that all rows of a strip see (full), once for the others
/// (partial). Dimensions, innermost first: i = row in its strip, k = key in its chunk, c = chunk, s = strip.
struct ChunkStages {
    Halide::Func key, value;  ///< (d, k, c)     as f32; undefined where the tensors are f32 already
    Halide::Func scores;      ///< (i, k, c, s)  log2 units
    Halide::Func logits;      ///< (i, k, c, s)  scores, hidden ones at -1e30 (online and full-row)
    Halide::Func maximum;     ///< (i, c, s)     of the chunk's logits, rounded up to an integer (online)
    Halide::Func weights;     ///< (i, k, c, s)  2^(scores - reference), exactly 0 where hidden
    Halide::Func row_sums;    ///< (i, j, c, s)  sums of weights over keys k = j mod 4
    Halide::Func weighted;    ///< (i, j, b, c, s)  sum over the chunk of weights * value, column b * tile_d + j
    Halide::RDom over_d, over_max, over_sum, over_k;
};

/// What a schedule places. Which members are defined depends on the algorithm.
struct AttentionStages {
    Halide::Func query_tile;   ///< (j, d, g)       row g * vector + j: a transposed tile of the scaled query
    Halide::Func query_strip;  ///< (i, d, s)
    Halide::Func visible;      ///< (i, s)          number of keys that each row sees; undefined where all see the same
    Halide::Func reference;    ///< (i, s)          the fixed reference, or the full row's maximum
    Halide::Func wanted;  ///< (s)             1 where a row of the strip takes the exact algorithm, which leaves the others out (online)
    ChunkStages full, partial;
    Halide::Func accumulator;              ///< (i, j, b, s)    column b * tile_d + j; AttentionTask::value_blocks
    Halide::RDom full_loop, partial_loop;  ///< of the accumulator's two updates: chunks, or (j, b, chunk) for the online algorithm
    Halide::Func inverse;                  ///< (i, s)          1 / row sum, 0 for an empty row
    Halide::Func largest;                  ///< (i, s)          the largest magnitude of the accumulator's row, as bits (fixed reference)
    Halide::Func row_lse;                  ///< (i, s)
    Halide::Func state;                    ///< (i, s)          ATTUNE_ROW_… that row_state takes
    Halide::Func output_tile;              ///< (d, j, g)       normalised and transposed back
    Halide::Func output, lse, row_state;   ///< (d, row), (row), (row): the function's results
    Halide::RDom output_rows, lse_rows;    ///< (j, g) and row
};

Halide::Type halide_type(DType dtype);

// ---- pieces that the softmax algorithms are made of (attention_pieces.cpp)

/// 2^x. Relative error 9e-8 (degree 5, minimax on [-1/2, 1/2]); exactly 0 below -126.5, capped at 2^127; x must not be NaN.
Halide::Expr exp2_bounded(const Halide::Expr &x);
/// 2^x for x <= 0.5 or NaN. The same polynomial; exactly 0 below -126.5 (-infinity excepted), NaN for NaN.
Halide::Expr exp2_of_difference(const Halide::Expr &x);
/// The bits of a float as an int, where comparisons and selections see infinities and NaNs that Halide's float operations may not.
Halide::Expr float_bits(const Halide::Expr &x);
constexpr int infinity_bits = 0x7f800000;

/// The query, scaled and transposed into strips.
void define_query(const AttentionTask &task, AttentionStages &stages);
/// key, value and scores of a chunk; `start` is what the sum over d starts from.
void define_scores(const AttentionTask &task, AttentionStages &stages, bool partial,
                   const std::function<Halide::Expr(Halide::Expr i, Halide::Expr s)> &start);
/// -1 where the row sees the key, else 0.
Halide::Expr visible_bits(const AttentionTask &task, const AttentionStages &stages, const Halide::Expr &i, const Halide::Expr &k,
                          const Halide::Expr &c, const Halide::Expr &s);
/// A logit from a score: hidden_score where it is hidden (visible_bits 0) or -infinity, which 2^x could not take.
Halide::Expr hidden_logit(const Halide::Expr &score, const Halide::Expr &visible_bits);
constexpr float hidden_score = -1e30f;  ///< below first_maximum, so that a hidden weight is 0 even in a row that sees nothing
constexpr float first_maximum = -1e29f;
/// row_sums and weighted of a chunk, from its weights.
void define_weighted(const AttentionTask &task, AttentionStages &stages, bool partial);
/// The empty accumulator, and its update by a chunk whose weights are relative to `reference` (of row i, strip s) like all others.
void define_accumulator(const AttentionTask &task, AttentionStages &stages);
Halide::Expr row_sum(const AttentionTask &task, const AttentionStages &stages, const Halide::Expr &i, const Halide::Expr &s);
void accumulate_chunk(const AttentionTask &task, AttentionStages &stages, const ChunkStages &chunk, const Halide::RDom &loop,
                      const Halide::Expr &reference);
/// The sum of a chunk's four row sums.
Halide::Expr chunk_row_sum(const ChunkStages &chunk, const Halide::Expr &i, const Halide::Expr &c, const Halide::Expr &s);
/// state, inverse and row_lse of an algorithm whose row sum is 0 only where the row sees nothing.
void define_exact_result(const AttentionTask &task, AttentionStages &stages);
/// output, lse and row_state, from accumulator, inverse, row_lse and state: rows whose state is `stored` are written, the others left alone.
void define_outputs(const AttentionTask &task, AttentionStages &stages, int stored);

// ---- the algorithms, one a file

/// Weights relative to a reference that the row alone decides: no maximum pass, no rescaling. Right for rows whose sum stays in
/// 2^±100 and whose accumulator stays finite; the others are left to the exact algorithm (state ATTUNE_ROW_ONLINE).
AttentionStages define_fixed_reference_softmax(const AttentionTask &task);
/// Chunk by chunk relative to the chunk's own maximum, combined with the running maximum: always right.
/// Milakov & Gimelshein 2018 (arXiv:1805.02867). Without split_full_chunks every chunk takes the partial path: half the code,
/// for the rows that the fixed reference leaves over.
AttentionStages define_online_softmax(const AttentionTask &task, bool split_full_chunks);
/// Short rows: all logits of a strip are kept, one maximum, no rescaling: always right.
AttentionStages define_full_row_softmax(const AttentionTask &task);

/// What decides the class of each row before anything is computed (attune_key_bound_fn, attune_row_reference_fn).
struct RowClassStages {
    Halide::Func key_partial;  ///< (v, kv)    sums of squares over d = v mod vector
    Halide::Func key_bound;    ///< (kv)       prefix maximum
    Halide::RDom key_d, key_scan;
    Halide::Func row_partial;  ///< (v, row)   Tuple: query · own key, query · query over d = v mod vector
    Halide::RDom row_d;
    Halide::Func reference, row_class;  ///< (row)
};
RowClassStages define_row_classes(const AttentionTask &task);

}  // namespace attune

#pragma once
#include "Halide.h"
#include "generator/algorithm/expression_halide.h"
#include "generator/algorithm/operations.h"
#include "generator/spec/spec.h"

#include <functional>
#include <vector>

namespace attune {

/// The numbers that products are taken of.
enum class Products {
    f32,
    bf16_pairs,  ///< two products a step, summed in f32; weights are rounded to bf16
    f16,         ///< in half precision: sums of a row of query · key, and of a chunk's weight · value; weights are rounded to it
    i8_quads     ///< four products a step of 8-bit integers, query · key alone (quantised_scores.cpp)
};

/// The block structure that an algorithm is written in: extents are constants, so every intermediate has a constant size.
struct BlockShape {
    int vector;                       ///< f32 lanes
    int strip;                        ///< query rows of one register tile, in vector lanes: a multiple of vector
    int block_q;                      ///< query rows of a task: a multiple of strip
    int block_kv;                     ///< keys of a chunk
    int tile_kv;                      ///< keys of a tile: what a partial chunk skips by; a multiple of 4 that divides block_kv
    int tile_d;                       ///< head dims of a register tile; the accumulator's columns are padded to it
    int fold;                         ///< query heads whose rows a task holds: row r is position r / fold of head r % fold
    Products scores = Products::f32;  ///< of query · key
    Products values = Products::f32;  ///< of weight · value in full chunks; in partial ones f32, which alone leaves hidden keys out
    /// Products of pairs and quads in full chunks as contractions of whole matrix tiles, 16 x 16 of depth 16.
    bool matrix_tiles = false;
    /// Keys of a row that ScoreArray reads at once: a power of 2 that divides a register tile's keys; 1: there is no such stage.
    int array_keys = 1;

    int tiles() const { return block_kv / tile_kv; }
    /// Blocks of tile_d columns that hold head_dim_v of them.
    int value_blocks(int head_dim_v) const { return (head_dim_v + tile_d - 1) / tile_d; }
};

/// The specification's params as Halide's, in their order, and the same as arguments of a pipeline. halves_as_bits: those of f16 and bf16 are uint16.
void add_params(const AttentionSpec &spec, bool halves_as_bits, std::vector<Halide::Parameter> &params,
                std::vector<Halide::Argument> &arguments);

/// The inputs of the task functions (attune/kernel.h). Rows are numbered inside the task, keys inside the sequence.
struct AttentionArguments {
    AttentionArguments(const AttentionSpec &spec, const BlockShape &shape);

    Halide::Param<int> batch, head, kv_head, q_begin, seq_len_q, seq_len_kv, num_positions;
    std::vector<Halide::Parameter> params;      // of the specification's params, in their order
    Halide::ImageParam full, partial;           // (1 + strips, visit)
    Halide::ImageParam query, key, value;       // (d, head, position), (d, kv), (d, kv)
    Halide::ImageParam key_norms;               // (kv)
    Halide::ImageParam reference, row_class;    // (row)
    Halide::ImageParam lse;                     // (row)
    Halide::Param<int> strip_rows, block_keys;  // of block_states
    Halide::ImageParam first_keys;              // (n)
    // Of split: its chunk, and the cache as its format has it; undefined where it has not.
    Halide::Param<int> first_key, num_keys, masked;
    Halide::ImageParam rotation;                // (d, 2, position)
    Halide::ImageParam key_rows, value_rows;    // (k)
    Halide::ImageParam key_scale, value_scale;  // (k), or (group, k)
    Halide::ImageParam key_zero, value_zero;
    Halide::ImageParam parts;               // (column, row, part)
    Halide::ImageParam new_key, new_value;  // (d, row), of append

    /// The block's scalars and the params, then `others`.
    std::vector<Halide::Argument> with_block(const std::vector<Halide::Argument> &others) const;
    /// Of split, and of append, in the order of attune/kernel.h.
    std::vector<Halide::Argument> of_split() const { return with_block(split_); }
    const std::vector<Halide::Argument> &of_append() const { return append_; }

private:
    void define_cache(const AttentionSpec &spec);
    std::vector<Halide::Argument> param_arguments_, split_, append_;
};

/// The expressions that the algorithms share: which keys a row sees, and the tensors as f32 with indices kept inside.
class AttentionTask {
public:
    AttentionTask(const AttentionSpec &spec, const BlockShape &shape, const MachineOperations &machine = {});

    const AttentionSpec spec;
    const BlockShape shape;
    const MachineOperations machine;
    AttentionArguments args;

    Halide::Expr rows() const { return args.num_positions * shape.fold; }
    /// Rows after the last repeat it.
    Halide::Expr existing_row(const Halide::Expr &row) const { return min(row, rows() - 1); }
    Halide::Expr position(const Halide::Expr &row) const { return args.q_begin + row / shape.fold; }
    Halide::Expr head(const Halide::Expr &row) const { return args.head + row % shape.fold; }

    /// The mask of a pair inside the sequence, by position and head of its row; true where the specification has none.
    Halide::Expr visible(const Halide::Expr &q, const Halide::Expr &h, const Halide::Expr &kv) const;
    /// What the softmax is taken of, in log2 units, from what the sum over d gives (times scale()).
    Halide::Expr logit(const Halide::Expr &product, const Halide::Expr &q, const Halide::Expr &h, const Halide::Expr &kv,
                       const std::function<Halide::Expr(const Node &element)> &staged = {}) const;
    /// score_may_hide, in full chunks too.
    bool score_hides() const { return score_hides_; }
    /// Rows differ in what they see, so that hiding is a matter of each element and not of the sequence's end alone.
    bool rows_differ() const { return static_cast<bool>(spec.mask) || score_hides_; }
    /// The logit of the row's sink in log2 units; undefined where it has none.
    Halide::Expr sink(const Halide::Expr &h) const;

    Halide::Expr key(const Halide::Expr &d, const Halide::Expr &kv) const;
    Halide::Expr value(const Halide::Expr &d, const Halide::Expr &kv) const;  ///< columns after the last repeat it
    /// Key k of split's chunk, or the last one there is: in chunks with a mask alone.
    Halide::Expr existing_of_chunk(const Halide::Expr &k) const;
    /// kv, inside the sequence: keys after the last become it, or are promised not to occur.
    Halide::Expr existing_key(const Halide::Expr &kv, bool clamped) const;

    /// The factor on query: the score scale, with log2(e) folded in where the score is the scaled logit itself (softmax in base 2).
    float scale() const;
    /// Steps of a sum over d: elements, pairs or quads of them; for matrix tiles whole depths of tiles.
    int product_steps() const;
    /// Elements 2 d and 2 d + 1 as a pair; 0 after the last.
    Halide::Expr head_dim_pair(const Halide::Expr &d, const std::function<Halide::Expr(Halide::Expr d)> &element) const;
    Halide::Type type() const;  ///< of query, key, value and output
    /// Column blocks of the accumulator, tile_d wide: head_dim_v padded to whole blocks, then one with the row sum in column 0 and
    /// what the weights are relative to in column 1.
    int value_blocks() const { return shape.value_blocks(spec.head_dim_v); }
    int strips() const { return shape.block_q / shape.strip; }

    /// What expressions of the specification read; q, h and kv as given.
    ExpressionInputs inputs(const Halide::Expr &q, const Halide::Expr &h, const Halide::Expr &kv) const;

private:
    bool score_hides_ = false;
    std::shared_ptr<PatternTables> tables_ = std::make_shared<PatternTables>();
};

/// One list of chunks that a task visits (attune/kernel.h).
struct VisitList {
    const AttentionTask &task;
    const Halide::ImageParam &entries;

    Halide::Expr count() const { return entries.dim(1).extent(); }
    /// Position of key k of visit c.
    Halide::Expr kv(const Halide::Expr &k, const Halide::Expr &c) const { return entries(0, c) * task.shape.block_kv + k; }
    Halide::Expr state(const Halide::Expr &c, const Halide::Expr &s) const { return entries(1 + s, c); }
    /// Strip s has a part in visit c.
    Halide::Expr visits(const Halide::Expr &c, const Halide::Expr &s) const { return state(c, s) != 0; }
    /// Tiles first … end - 1 of a partial visit hold what it shows. `parts`: of a tile, where those are counted.
    Halide::Expr holds_tile(const Halide::Expr &tile, const Halide::Expr &c, const Halide::Expr &s, int parts = 1) const;
    /// Of visit c the tiles that have keys: (part of its tile, tile).
    Halide::RDom existing_tiles(int parts, const Halide::Expr &c, const std::string &name) const;
};

/// What makes integers of a chunk's keys.
struct KeyScales {
    Halide::Func lane_largest;  ///< (v, k, c)  largest |key - mean| over d = v mod vector
    Halide::RDom over_d;
    Halide::Func scale;  ///< (k, c)  of a key: its largest element is 127 of it
};

/// What makes integers of a task's query rows, and logits of their products.
struct QueryScales {
    Halide::Func shared_visit;  ///< ()      the first full visit of all strips that have rows; more than there are: none
    Halide::Func key_mean;      ///< (d)     of that visit's keys; 0 where there is none
    Halide::Func strip;         ///< (i, d, s)  the scaled query as f32
    Halide::Func largest;       ///< (i, s)  magnitude of a row
    Halide::Func scale;         ///< (i, s)  of a row
    Halide::Func unsigned_sum;  ///< (i, s)  what the sum of products of unsigned keys, 128 too large, has too much
    Halide::Func mean_product;  ///< (i, s)  query · key_mean
};

/// An array that the score indexes by row and key, as a relative position bias is. Lanes are rows, but the keys of a row lie side by side:
/// they are read array_keys at a time and transposed, where gathering each element would take as long as the products at head_dim 32.
struct ScoreArray {
    const Node *element = nullptr;
    /// (j, k, g, t, c, s)  row g * vector + j of the strip, key t * array_keys + k of the chunk. Two updates: keys that all exist, and
    /// those across the end, which are read one by one.
    Halide::Func tile;
    Halide::RDom inside, across;
    Halide::Expr keys_are_dense;  ///< stride 1
};

/// How one chunk of keys becomes its contribution: once for chunks that all rows of a strip see (full), once for the others
/// (partial), of which tiles that no row sees are left out. Dimensions, innermost first: i = row in its strip, k = key in its chunk,
/// c = visit, s = strip. Weights are -0 where hidden, which no visible weight is.
struct ChunkStages {
    Halide::Func key, value;  ///< (d, k, c)     as f32, undefined where the tensors are f32 already; or as AttentionStages says
    KeyScales key_scales;     ///<               of i8 quads
    Halide::Func scores;      ///< (i, k, c, s)  log2 units; a half's bits; of pairs and quads: the products alone
    std::vector<ScoreArray> arrays;
    Halide::Func logits;   ///< (i, k, c, s)  scores, hidden ones at -1e30 (online and full-row)
    Halide::Func maximum;  ///< (i, c, s)     of the chunk's logits, rounded up to an integer (online)
    Halide::Func weights;  ///< (i, k, c, s)  2^(scores - reference), exactly 0 where hidden
    /// (k, c) the bits of an exponent: infinity_of_bf16 where an element of the key's value is an infinity or a NaN; by lanes (v, k, c) first (partial, matrix tiles, where rows differ).
    Halide::Func unusual_value, unusual_lanes;
    Halide::Func value_tile;  ///< (d, p, c)     a transposed tile of value, for matrix tiles
    Halide::Func pairs;       ///< (i, p, c, s)  Tuple: weights of keys 2 p and 2 p + 1 as bf16, their sum as f32 (pairs of values, full)
    Halide::Func row_sums;    ///< (i, j, c, s)  sums of weights over keys k = j mod 4
    Halide::Func weighted;    ///< (i, j, b, c, s)  sum over the chunk of weights * value, column b * tile_d + j
    Halide::Func signs;       ///< (i, c, s)     the weights' bits, or-ed: negative where one is hidden (where the score alone may hide)
    Halide::Func hides;       ///< (c, s)        the same of all rows: weighted then takes its second update, which leaves hidden keys out
    Halide::RDom over_d, over_max, over_sum, over_k, over_signs, over_rows, over_shown_k;
    Halide::RDom over_logits, over_weights;  ///< partial: (k in its tile, tile); undefined for full, whose stages are pure
};

/// Position and head of each row of a strip, in lanes.
struct RowStages {
    Halide::Func position;  ///< (i, s)
    Halide::Func head;      ///< (i, s)  undefined where a task has one head
    Halide::Expr head_of(const AttentionTask &task, const Halide::Expr &i, const Halide::Expr &s) const;
};

/// A score expression may hide a pair by a logit below -1e29, as a bias of -infinity does.
bool score_may_hide(const AttentionSpec &spec);
/// The elements of arrays that the score indexes by row (position, or head where `heads_differ` from row to row) and, in the last dimension,
/// by key: a relative position bias.
std::vector<const Node *> row_key_elements(const AttentionSpec &spec, bool heads_differ);

/// What a schedule places. Which members are defined depends on the algorithm.
struct AttentionStages {
    /// query_strip and key (d, k, c) of each chunk hold what a step of the sum over d takes: an f32; of pairs elements 2 d and 2 d + 1, query_tile
    /// too, not scaled; of f16 a half, the key's twice; of quads integers of elements 4 d … 4 d + 3, signed of query, unsigned of key.
    /// value (d, p, c) of a full chunk: of pairs keys 2 p and 2 p + 1, of f16 a half twice.
    Halide::Func query_tile;   ///< (j, d, g)       row g * vector + j: a transposed tile of the scaled query
    Halide::Func query_strip;  ///< (i, d, s)
    QueryScales query_scales;  ///< of i8 quads
    RowStages rows;
    Halide::Func reference;  ///< (i, s)          the fixed reference, or the full row's maximum
    Halide::Func wanted;     ///< (s)             1 where a row of the strip takes the exact algorithm, which leaves the others out (online)
    ChunkStages full, partial;
    Halide::Func accumulator;              ///< (i, j, b, s)    column b * tile_d + j; AttentionTask::value_blocks
    Halide::RDom full_loop, partial_loop;  ///< of the accumulator's two updates: chunks, or (j, b, chunk) for the online algorithm
    Halide::Func inverse;                  ///< (i, s)          1 / row sum, 0 for an empty row
    Halide::Func largest;                  ///< (i, s)          the largest magnitude of the accumulator's row, as bits (fixed reference)
    Halide::Func row_lse;                  ///< (i, s)
    Halide::Func state;                    ///< (i, s)          ATTUNE_ROW_… that row_state takes
    Halide::Func output_tile;              ///< (d, j, g)       normalised and transposed back
    Halide::Func output, lse, row_state;   ///< (d, head, position), (row), (row): the function's results
    Halide::RDom output_rows, lse_rows;    ///< (j, g) and row
};

constexpr uint16_t infinity_of_bf16 = 0x7f80;  ///< the bits of its exponent

Halide::Type halide_type(DType dtype);

// ---- pieces that the softmax algorithms are made of (attention_pieces.cpp, scores.cpp, weighted_sums.cpp)

/// 2^x. Relative error 9e-8 (degree 5, minimax on [-1/2, 1/2]); exactly 0 below -126.5 (-infinity excepted), at most 2^128 above 127;
/// a NaN gives a NaN or 2^127 … 2^128, which no guard lets pass.
Halide::Expr exp2_capped(const Halide::Expr &x);
/// 2^x for x <= 0.5 or NaN. The same polynomial; exactly 0 below -126.5 (-infinity excepted), NaN for NaN.
Halide::Expr exp2_of_difference(const Halide::Expr &x);
/// The bits of a float as an int, where comparisons and selections see infinities and NaNs that Halide's float operations may not.
Halide::Expr float_bits(const Halide::Expr &x);
constexpr int infinity_bits = 0x7f800000, minus_infinity_bits = static_cast<int>(0xff800000u);
constexpr int minus_zero_bits = static_cast<int>(0x80000000u);  ///< of a hidden weight
/// 2^n for an integer n <= 0; 0 below -126.
Halide::Expr exp2_integer(const Halide::Expr &n);

/// x as the output's type. A NaN stays one: Halide's emulated conversions to half types make numbers of it.
Halide::Expr as_output(const Halide::Expr &x, const Halide::Type &type, const MachineOperations &machine = {});

RowStages define_rows(const AttentionTask &task);
/// Sums over head_dim with its elements in lanes, d = step * vector + lane: how many steps there are, an element as f32 (0 after the last),
/// and the lanes' sum, added in a tree.
int head_dim_steps(const AttentionTask &task);
Halide::Expr head_dim_lane(const AttentionTask &task, const Halide::Expr &d, const std::function<Halide::Expr(Halide::Expr d)> &element);
Halide::Expr sum_of_lanes(const std::function<Halide::Expr(int lane)> &lane, int lanes);
Halide::Expr largest_of_lanes(const std::function<Halide::Expr(int lane)> &lane, int lanes);
/// The query, scaled and transposed into strips; position and head of each row.
void define_query(const AttentionTask &task, AttentionStages &stages);
/// Query and keys as 8-bit integers (quantised_scores.cpp): query_strip from query_tile; key of a chunk; the scaled product of both.
void define_quantised_query(const AttentionTask &task, AttentionStages &stages);
void define_quantised_key(const AttentionTask &task, AttentionStages &stages, bool partial);
Halide::Expr quantised_product(const AttentionStages &stages, const ChunkStages &chunk, const Halide::Expr &i, const Halide::Expr &k,
                               const Halide::Expr &c, const Halide::Expr &s);
/// The list that a chunk's stages walk.
VisitList visit_list(const AttentionTask &task, bool partial);
/// key, value and scores of a chunk; `start` is what the sum over d starts from.
void define_scores(const AttentionTask &task, AttentionStages &stages, bool partial,
                   const std::function<Halide::Expr(Halide::Expr i, Halide::Expr s)> &start);
/// The product of a query and a key, scaled, from what define_scores left of it.
Halide::Expr chunk_product(const AttentionTask &task, const AttentionStages &stages, bool partial, const Halide::Expr &i,
                           const Halide::Expr &k, const Halide::Expr &c, const Halide::Expr &s);
/// The logit of an element of a chunk, in log2 units, from its score.
Halide::Expr chunk_logit(const AttentionTask &task, const AttentionStages &stages, bool partial, const Halide::Expr &i,
                         const Halide::Expr &k, const Halide::Expr &c, const Halide::Expr &s);
/// Whether the row sees the key of a partial chunk: it exists, and the mask shows it.
Halide::Expr chunk_visible(const AttentionTask &task, const RowStages &rows, const Halide::Expr &i, const Halide::Expr &k,
                           const Halide::Expr &c, const Halide::Expr &s);
/// `f(i, k, c, s) = value(k)`: pure for full chunks; for partial ones an update over the tiles that are visited, whose domain is returned.
Halide::RDom define_elements(const AttentionTask &task, Halide::Func &f, bool partial,
                             const std::function<Halide::Expr(Halide::Expr k)> &value);
/// A logit that hides: below first_maximum or -infinity; a NaN does not.
Halide::Expr hides(const Halide::Expr &logit);
/// The logit where `visible` and it does not hide, else hidden_score.
Halide::Expr shown_logit(const Halide::Expr &visible, const Halide::Expr &logit);
/// The weight where `visible`, else the hidden one.
Halide::Expr shown_weight(const Halide::Expr &visible, const Halide::Expr &weight);
/// logits of a chunk, hidden ones at hidden_score; and its weights relative to `reference` (of row i, strip s, maybe of chunk c).
void define_logits(const AttentionTask &task, AttentionStages &stages, bool partial);
void define_weights_of_logits(const AttentionTask &task, AttentionStages &stages, bool partial, const Halide::Expr &reference);
/// hidden_score or below hides, -infinity too, which 2^x could not take.
constexpr float hidden_score = -1e30f;  ///< below first_maximum, so that a hidden weight is 0 even in a row that sees nothing
constexpr float first_maximum = -1e29f;
/// row_sums and weighted of a chunk, from its weights.
void define_weighted(const AttentionTask &task, AttentionStages &stages, bool partial);
/// The same of a full chunk's weights in half precision, with value as halves.
void define_half_weighted(const AttentionTask &task, AttentionStages &stages);
/// pairs of a chunk from its weights, and row_sums and weighted from pairs. Of a partial chunk where rows differ tiles get 0 for values that are not finite,
/// and rows that see such a key a NaN for its weight, so that the exact kernel takes them and no other row shows it: unusual_value is defined before `weight`
/// is called. Where they do not differ every row sees the key, and its own sum tells.
void define_pairs_of_weights(const AttentionTask &task, AttentionStages &stages, bool partial,
                             const std::function<Halide::Expr(Halide::Expr k)> &weight);
/// The empty accumulator, and its update by a chunk whose weights are relative to `reference` (of row i, strip s) like all others.
void define_accumulator(const AttentionTask &task, AttentionStages &stages);
Halide::Expr row_sum(const AttentionTask &task, const AttentionStages &stages, const Halide::Expr &i, const Halide::Expr &s);
void accumulate_chunk(const AttentionTask &task, AttentionStages &stages, const ChunkStages &chunk, const Halide::RDom &loop,
                      const Halide::Expr &reference);
/// The sum of a chunk's four row sums.
Halide::Expr chunk_row_sum(const ChunkStages &chunk, const Halide::Expr &i, const Halide::Expr &c, const Halide::Expr &s);
/// The natural log of sum * 2^reference: -infinity where the sum is 0, which is where the row sees nothing; NaN for a NaN.
Halide::Expr lse_of_sum(const Halide::Expr &reference, const Halide::Expr &sum);
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

/// Each weight by itself: no sum, no reference. sigmoid(logit): Ramapuram et al. 2024 (arXiv:2409.04431); max(logit, 0): Wortsman et al. 2023
/// (arXiv:2309.08586), who divide it by the number of keys, as a score s / seq_len_kv does.
AttentionStages define_single_weights(const AttentionTask &task);
/// max(logit, 0) of a logit in log2 units. A NaN stays one, and no weight is -0, which a hidden one is.
Halide::Expr relu_of_log2(const Halide::Expr &logit);

/// Few query rows against many keys: what one chunk of keys gives for all rows of a task, relative to the chunk's own maximum, and what becomes
/// of the parts. Keys are in lanes of a row's products only after these are summed over head_dim, whose elements are the lanes: a row of the cache
/// is read as it lies, once for the rows of a tile. Dao et al. 2023, Flash-Decoding.
struct SplitStages {
    Halide::Func query;       ///< (d, r)     turned and scaled, 0 after the last head dim
    Halide::Func key, value;  ///< (d, k)     rows of the cache as f32; key is undefined where products are of integers
    /// Of integer products: what makes integers of a row, those in the order of lanes, two to a lane, and sums of a group, undefined where a row is one.
    Halide::Func query_scale;                        ///< (r)
    Halide::Func query_number;                       ///< (d, r)        i16
    Halide::Func group_dots;                         ///< (v, g, k, r)  i32
    Halide::RDom over_row, over_pairs, over_groups;  ///< over_pairs: (of a pair, step)
    Halide::Func query_largest;                      ///< (r)  bits
    Halide::Func dots;          ///< (v, k, r)  sums over d = v mod split_lanes; i32 where a row of integers is one group
    Halide::Func turned;        ///< (v, k, r)  the same over d = v mod vector
    Halide::Func logits;        ///< (k, r)     log2 units, hidden ones at hidden_score
    Halide::Func lane_maximum;  ///< (v, r)     over keys k = v mod vector
    Halide::Func maximum;       ///< (r)        rounded up to an integer
    Halide::Func weights;       ///< (k, r)
    Halide::Func lane_sums;     ///< (v, r)
    Halide::Func scaled;        ///< (g, k, r)  weights times the scales of values; undefined where there are none
    Halide::Func weighted;      ///< (d, r)     sum over the chunk of weights * value
    Halide::Func part;          ///< (column, r)  weighted, then the sum of weights and the maximum: split_value_columns
    Halide::Func products;      ///< (k, r)     sums over all lanes
    Halide::RDom over_d, over_keys, over_k, over_lanes;  ///< over_k: (key of a block of values, block)
};
SplitStages define_split_kv(const AttentionTask &task);
/// (column, r): a part as combine reads it: weighted values, then in a vector of their own the sum of weights and the maximum.
Halide::Func define_part(const AttentionTask &task, const std::function<Halide::Expr(Halide::Expr column, Halide::Expr r)> &weighted,
                         const std::function<Halide::Expr(Halide::Expr r)> &sum,
                         const std::function<Halide::Expr(Halide::Expr r)> &maximum);
/// Rows of values that accumulators take at a time.
constexpr int split_value_block = 8;

/// The keys or the values of split's chunk, in whatever form the cache stores them.
class CacheRows {
public:
    CacheRows(const AttentionTask &task, bool values);

    /// As f32, to be multiplied by the scale of its group where has_scales(). Head dims after the last repeat it.
    Halide::Expr element(const Halide::Expr &d, const Halide::Expr &k) const;
    Halide::Expr number(const Halide::Expr &d, const Halide::Expr &k) const;  ///< the same as an i16, of i8 where there are no zero points
    /// The same of i4: the lower half of a byte of the row, or the upper one.
    Halide::Expr half_byte(const Halide::Expr &byte, const Halide::Expr &upper, const Halide::Expr &k) const;
    Halide::Expr byte(const Halide::Expr &d, const Halide::Expr &k) const;  ///< of the row of key k, as it is
    bool has_scales() const { return cache_.dtype != KvDType::same; }
    bool is_grouped() const { return cache_.dtype == KvDType::i4; }  ///< a scale for i4_group head dims; else one a row
    Halide::Expr scale(const Halide::Expr &group, const Halide::Expr &k) const;
    Halide::Expr stored(const Halide::Expr &d, const Halide::Expr &k) const;  ///< as it is; i4 one in a byte

private:
    Halide::Expr row(const Halide::Expr &k) const;

    const AttentionTask &task_;
    const KvCacheSpec &cache_;
    Halide::ImageParam elements_, starts_, scales_, zeros_;
    int last_;
};

/// Element d of a row as f32, turned by rope: by rotation(d, ., position).
Halide::Expr rotated(const AttentionTask &task, const Halide::Expr &d, const Halide::Expr &position,
                     const std::function<Halide::Expr(Halide::Expr d)> &element);

/// New rows of keys or values, and what the cache stores of them.
struct AppendRows {
    Halide::Func element;                   ///< (d, r)  f32, turned
    Halide::Func largest, lowest, highest;  ///< (g, r)  largest magnitude of a group as bits; with zero points its range, 0 included
    Halide::Func scale, zero;               ///< (g, r)
    Halide::Func stored;                    ///< (element, r)  undefined: there are none
    Halide::RDom over_group;
};
struct AppendStages {
    AppendRows key, value;
    std::vector<Halide::Func> outputs;  ///< in the order of attune/kernel.h
};
AppendStages define_append(const AttentionTask &task);
/// Lanes of its sums over head_dim, and of those that a logit is the sum of. Heads that share no keys take four vectors of one row of the cache beside each other: as many sums of one vector would
/// read the rows of many keys at once, which no prefetcher follows (f32, head_dim 128, avx2: 25 GB/s, 14 with eight keys).
int split_lanes(const AttentionTask &task);
int split_sum_lanes(const AttentionTask &task);
/// head_dim_v in whole vectors; column [this] of a part is its sum of weights, the next its maximum.
int split_value_columns(const AttentionSpec &spec, int vector);

/// output and lse from the parts of a sequence and key/value head. The number of parts is the number of chunks, whatever threads made them.
struct CombineStages {
    Halide::Func maximum, reference, sum, inverse;  ///< (row)
    Halide::Func accumulator;                       ///< (d, row)
    Halide::Func output, lse;                       ///< (d, head, position), (row)
};
CombineStages define_combine(const AttentionTask &task);

/// The matrix of pairs that outputs names (attune_task_fn pairs): a kernel of its own, a pair at a time.
struct PairsStages {
    Halide::Func dot_partial;  ///< (v, kv, row)  sums over d = v mod vector
    Halide::RDom over_d;
    Halide::Func pairs;  ///< (kv, head, position)
};
PairsStages define_pairs(const AttentionTask &task);

/// What a task is told of its blocks before anything is computed (attune_task_fn key_ranges, block_states), from the mask's block plan.
Halide::Func define_key_ranges(const AttentionTask &task);    ///< (2 * num_ranges)
Halide::Func define_block_states(const AttentionTask &task);  ///< (n, strip)
int num_key_ranges(const AttentionSpec &spec);

/// Of a list of chunks that rows see whole, as far as their keys exist.
struct WholeChunks {
    Halide::Func chunk_norm;  ///< (v, c)  bits of the largest norm of a chunk's keys k = v mod lanes
    Halide::Func norm;        ///< (v, s)  the same over the strip's chunks
    Halide::Func largest;     ///< (s)     the same over all lanes
    Halide::Func last;        ///< (s)     the last key; -1: none
    Halide::RDom over_chunk, over_visits, over_lanes;
};

/// What decides the class of each row before anything is computed (attune_key_bound_fn, attune_row_reference_fn).
struct RowClassStages {
    RowStages rows;
    std::vector<WholeChunks> whole;  ///< the full list; without a mask the partial one too
    Halide::Func seen;               ///< (i, s)    Tuple: largest norm (bits) and last of the keys that the row sees
    Halide::RDom over_partial;       ///< (k in its tile, tile, c), with a mask
    Halide::Func partial;            ///< (v, p, member)  query · query over d = v mod vector; p = position, member of its group
    Halide::Func squares;            ///< (p, member)
    Halide::Func own;                ///< (p, member)     the key whose logit is the reference of rows for which 0 will not do
    Halide::Func own_partial;        ///< (v, p, member)  query · own key over d = v mod vector
    Halide::Func logit;              ///< (p, member)     of the own key; of other rows 0
    Halide::RDom over_d, over_lanes, over_own;
    Halide::Func some;  ///< (p, member)     Tuple: reference, class; a vector of positions, so that bits are the same wherever a row stands
    Halide::Func result;  ///< (row)           Tuple: reference, class
};
RowClassStages define_row_classes(const AttentionTask &task);
/// A reference that no row has: the row sees nothing, so its result is known.
constexpr float empty_reference = 3e38f;

/// |key|^2 (attune_task_fn key_norms).
struct KeyNormStages {
    Halide::Func partial;  ///< (v, kv)  sums of squares over d = v mod vector
    Halide::Func sums;     ///< (kv)     over v, of a vector of keys
    Halide::RDom over_d, over_lanes;
    Halide::Func norms;  ///< (kv)
};
KeyNormStages define_key_norms(const AttentionTask &task);

}  // namespace attune

#pragma once
#include "attune/kernel.h"
#include "generator/algorithm/attention.h"
#include "generator/algorithm/device_patterns.h"

namespace attune {

/// What differs between devices in how numbers are written.
struct DeviceOperations {
    const char *exp2 = nullptr;   ///< an intrinsic for 2^x, or null: the polynomial
    bool halves_as_bits = false;  ///< f16 arrays are uint16 to the device, which may have no half type
};

/// A work-group's part: block_q rows of one head block, whose keys it walks block_kv at a time.
struct DeviceBlock {
    int block_q = 64, block_kv = 32;
    int fold = 1;  ///< query heads whose rows a block holds: row r is position r / fold of head r % fold
    /// Of decode: a work-group takes a part of so many keys, a multiple of block_kv, and leaves its rows' state to DeviceCombine. 0: it takes all.
    int split_keys = 0;
};

/// A row of a part: weighted values, then from a multiple of 4 on its maximum and its sum. Rows begin on 16 bytes.
inline int part_values(const AttentionSpec &spec) {
    return (spec.head_dim_v + 3) / 4 * 4;
}
inline int part_columns(const AttentionSpec &spec) {
    return part_values(spec) + 4;
}
/// Of a call; one where there are no keys.
inline Halide::Expr num_parts(const Halide::Expr &seq_len_kv, int split_keys) {
    return max((seq_len_kv + (split_keys - 1)) / split_keys, 1);
}

/// The arguments of a device kernel's host function (attune/kernel.h), in their order.
struct DeviceArguments {
    DeviceArguments(const AttentionSpec &spec, const DeviceBlock &block, const DeviceOperations &operations);

    Halide::Param<int> seq_len_q, seq_len_kv, head_blocks_per_kv, has_lengths_q, has_lengths_kv, writes_lse;
    std::vector<Halide::Parameter> params;
    // Of block lists: (block of rows, head, batch), and beside each other column and whether the mask does not count there.
    Halide::Param<int> has_full;
    Halide::ImageParam row_offsets, columns, full;
    Halide::ImageParam patterns;               // (word) of DevicePatterns
    Halide::ImageParam lengths_q, lengths_kv;  // (batch); of packed sequences (batch + 1), where each begins
    Halide::ImageParam query, key, value;      // (d, fold, position, head block, batch), (d, position, kv head, batch)
    Halide::ImageParam lse;                    // (fold, position, head block, batch): written, by a marker (markers.h) or an address
                                               // where keys are split, rows of parts: (column, row of all parts, head block, batch)

    /// `before_lse`: what a kernel has besides.
    std::vector<Halide::Argument> all(const std::vector<Halide::Argument> &before_lse = {}) const;

private:
    std::vector<Halide::Argument> param_arguments_;
    bool has_lists_, has_patterns_;
};
/// Of query, key, value and output: bf16, and f16 on devices without a half type, are their elements' bits.
Halide::Type device_array_type(const AttentionSpec &spec, const DeviceOperations &operations);

/// The dimension of the output that counts positions.
constexpr int output_positions = 2;

/// What a block of rows sees of a chunk of keys: nothing, a part, or each row every key.
enum ChunkKind { chunk_empty, chunk_masked, chunk_full };

/// The expressions that device algorithms share: which keys a row sees, what its logits are, and what the mask's plan tells of chunks.
class DeviceBlocks {
public:
    DeviceBlocks(const AttentionSpec &spec, const DeviceBlock &block, const DeviceOperations &operations);

    const AttentionSpec spec;
    const DeviceBlock block;
    const DeviceOperations operations;
    DeviceArguments args;

    /// A block: its index, head block and sequence, and how much of that is in use.
    struct Place {
        Halide::Expr qb, hb, b, length_q, length_kv;
        Halide::Expr part;               ///< where keys are split; else undefined
        Halide::Expr first_q, first_kv;  ///< where the sequence begins: 0 unless it is packed
    };
    /// `qb` counts blocks of rows, and where keys are split the parts of each.
    Place place(const Halide::Expr &qb, const Halide::Expr &hb, const Halide::Expr &b) const;

    Halide::Expr rows() const { return args.seq_len_q * block.fold; }                     ///< of a head block
    Halide::Expr rows_in_use(const Place &at) const { return at.length_q * block.fold; }  ///< the others become 0
    /// The rows that are written: of a packed sequence its own, since others follow them.
    Halide::Expr rows_written(const Place &at) const { return select(is_packed(), rows_in_use(at), rows()); }
    Halide::Expr is_packed() const { return args.has_lengths_q == int(ATTUNE_LENGTHS_CUMULATIVE); }
    Halide::Expr row_of(const Place &at, const Halide::Expr &i) const { return at.qb * block.block_q + i; }  ///< row i of the block
    Halide::Expr existing(const Halide::Expr &row) const { return min(row, rows() - 1); }  ///< rows after the last repeat it
    Halide::Expr position_of(const Halide::Expr &row) const { return row / block.fold; }
    Halide::Expr head_in_fold(const Halide::Expr &row) const { return row % block.fold; }
    Halide::Expr head_of(const Place &at, const Halide::Expr &row) const { return at.hb * block.fold + head_in_fold(row); }
    Halide::Expr kv_head(const Place &at) const { return at.hb / args.head_blocks_per_kv; }

    /// Where the row of a position, or of a key, lies among those of all packed sequences. Of an empty sequence at the end the last row.
    Halide::Expr packed_row(const Place &at, const Halide::Expr &position) const { return min(at.first_q + position, args.seq_len_q - 1); }
    Halide::Expr packed_key(const Place &at, const Halide::Expr &kv) const { return at.first_kv + kv; }

    /// Key kv, or the last one there is.
    Halide::Expr existing_key(const Place &at, const Halide::Expr &kv) const { return clamp(kv, 0, max(at.length_kv, 1) - 1); }
    /// Whether a row sees a key; both exist. True where the specification has no mask.
    Halide::Expr sees(const Place &at, const Halide::Expr &row, const Halide::Expr &kv) const;
    /// The logit in log2 units: of the scaled product where the specification has a score, else the product times scale().
    Halide::Expr logit_of(const Place &at, const Halide::Expr &row, const Halide::Expr &kv, const Halide::Expr &scaled_product) const;
    /// The factor on products, with log2(e) folded in where the score is the scaled logit itself (softmax in base 2).
    double scale() const;
    /// The logit of the sink of a head, in log2 units; undefined where there is none.
    Halide::Expr sink_of(const Place &at, const Halide::Expr &head) const;
    Halide::Expr exp2(const Halide::Expr &x) const;
    /// An f32 as the output stores it.
    Halide::Expr stored(const Halide::Expr &x) const;

    /// Chunks first … end - 1 hold all keys that the block's rows see: of the mask's ranges, cut to the sequence. None for a block without
    /// rows in use.
    struct Chunks {
        Halide::Expr first, end;
    };
    Chunks chunks_of(const Place &at) const;
    /// Above all ends.
    Halide::Expr all_chunks() const;
    /// The first key of a chunk. Where the caller lists blocks, chunks count through those that the block of rows visits.
    Halide::Expr first_key(const Place &at, const Halide::Expr &c) const;
    /// Whether a listed block shows all pairs, whatever the mask; undefined where there are no lists.
    Halide::Expr is_listed_full(const Place &at, const Halide::Expr &c) const;
    /// Keys of the sequence from a chunk's first on.
    Halide::Expr keys_left(const Place &at, const Halide::Expr &c) const { return at.length_kv - first_key(at, c); }
    /// The ChunkKind of a chunk of the range, from these.
    Halide::Expr kind_of_chunk(const Place &at, const Halide::Expr &c, const Halide::Expr &left) const;
    /// Whether chunks inside the range may be empty. Not where the range says it all, as a causal mask's or a window's does.
    bool skips_chunks() const;

private:
    struct Span {
        Halide::Expr first, length;
    };
    Span used(const Halide::Param<int> &has, const Halide::ImageParam &lengths, const Halide::Param<int> &all, const Halide::Expr &b) const;
    Chunks all_chunks_of(const Place &at) const;
    /// Of the lists: the entries first … end - 1 of a block of rows; how many key blocks there are; chunks of each.
    Chunks listed(const Place &at) const;
    Halide::Expr list_entry(const Place &at, const Halide::Expr &c) const;
    Halide::Expr key_blocks() const { return (args.seq_len_kv + (spec.block_size_kv - 1)) / spec.block_size_kv; }
    int chunks_of_key_block() const { return spec.block_size_kv / block.block_kv; }
    ExpressionInputs inputs(const Place &at) const;
    ExpressionInputs inputs(const Place &at, const Halide::Expr &row, const Halide::Expr &kv) const;
    ExpressionInputs block_inputs(const Place &at) const;

    const DevicePatterns patterns_;
};

}  // namespace attune

#pragma once
#include "generator/algorithm/attention.h"

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
};

/// The arguments of a device kernel's host function (attune/kernel.h), in their order.
struct DeviceArguments {
    DeviceArguments(const AttentionSpec &spec, int fold, const DeviceOperations &operations);

    Halide::Param<int> seq_len_q, seq_len_kv, head_blocks_per_kv, has_lengths_q, has_lengths_kv, writes_lse;
    std::vector<Halide::Parameter> params;
    Halide::ImageParam lengths_q, lengths_kv;  // (batch)
    Halide::ImageParam query, key, value;      // (d, fold, position, head block, batch), (d, position, kv head, batch)
    Halide::ImageParam lse;                    // (fold, position, head block, batch): written, by a marker (markers.h) or an address

    std::vector<Halide::Argument> all() const;

private:
    std::vector<Halide::Argument> param_arguments_;
};
/// Of query, key, value and output: bf16, and f16 on devices without a half type, are their elements' bits.
Halide::Type device_array_type(const AttentionSpec &spec, const DeviceOperations &operations);

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
    };
    Place place(const Halide::Expr &qb, const Halide::Expr &hb, const Halide::Expr &b) const;

    Halide::Expr rows() const { return args.seq_len_q * block.fold; }                                        ///< of a head block
    Halide::Expr rows_in_use(const Place &at) const { return at.length_q * block.fold; }                     ///< the others become 0
    Halide::Expr row_of(const Place &at, const Halide::Expr &i) const { return at.qb * block.block_q + i; }  ///< row i of the block
    Halide::Expr existing(const Halide::Expr &row) const { return min(row, rows() - 1); }  ///< rows after the last repeat it
    Halide::Expr position_of(const Halide::Expr &row) const { return row / block.fold; }
    Halide::Expr head_in_fold(const Halide::Expr &row) const { return row % block.fold; }
    Halide::Expr head_of(const Place &at, const Halide::Expr &row) const { return at.hb * block.fold + head_in_fold(row); }
    Halide::Expr kv_head(const Place &at) const { return at.hb / args.head_blocks_per_kv; }

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

    /// Chunks first … end - 1 hold all keys that the block's rows see: of the mask's ranges, cut to the sequence. None for a block without
    /// rows in use.
    struct Chunks {
        Halide::Expr first, end;
    };
    Chunks chunks_of(const Place &at) const;
    /// Keys of the sequence from a chunk's first on.
    Halide::Expr keys_left(const Place &at, const Halide::Expr &c) const { return at.length_kv - c * block.block_kv; }
    /// The ChunkKind of a chunk of the range, from these.
    Halide::Expr kind_of_chunk(const Place &at, const Halide::Expr &c, const Halide::Expr &left) const;
    /// Whether chunks inside the range may be empty. Not where the range says it all, as a causal mask's or a window's does.
    bool skips_chunks() const;

private:
    Halide::Expr used(const Halide::Param<int> &has, const Halide::ImageParam &lengths, const Halide::Param<int> &all,
                      const Halide::Expr &b) const;
    ExpressionInputs inputs(const Place &at) const;
    ExpressionInputs inputs(const Place &at, const Halide::Expr &row, const Halide::Expr &kv) const;
    ExpressionInputs block_inputs(const Place &at) const;

    mutable PatternTables tables_;
};

}  // namespace attune

#pragma once
#include "generator/spec/evaluate.h"
#include "generator/spec/expression.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace attune {

/// A mask with the values that it needs at run time. Null root: every key is visible.
struct MaskOfCall {
    ExprPtr root;
    const std::vector<ParamDeclaration> &params;
    const std::vector<ParamValue> &values;  ///< of params, in their order
};

/// The pairs of one head of one sequence.
struct HeadPairs {
    int64_t b = 0, h = 0, hkv = 0;
    int64_t seq_len_q = 0, seq_len_kv = 0;
};

/// How many (q, kv) the mask shows. Halves the rectangle of pairs until the plan knows a part, so the time goes with the length of the
/// border between visible and hidden. Measured at 4096 x 4096: 0.4 ms for causal, 1 ms for a window, 220 ms for dilated(7), all of whose
/// pairs have to be asked.
int64_t count_visible_pairs(const MaskOfCall &mask, const HeadPairs &pairs);

/// What a kernel does with a block: skips it, applies the mask to its elements, or computes it unmasked.
enum class BlockKind : uint8_t { skipped, partial, full };

/// The blocks of one head as a kernel with this plan treats them. For a picture, several blocks may share a cell.
struct BlockMap {
    HeadPairs pairs;
    int64_t block_q = 1, block_kv = 1;                  ///< rows and keys of a block
    int64_t blocks_a_cell_q = 1, blocks_a_cell_kv = 1;  ///< blocks of a cell, each way
    std::vector<std::vector<BlockKind>> cells;          ///< [row][column]; partial where its blocks differ
    int64_t full = 0, partial = 0, skipped = 0;         ///< blocks
    int64_t needed = 0;                                 ///< blocks that hold a visible pair
    int64_t visible_pairs = 0;
    int64_t computed_pairs = 0;  ///< of full and partial blocks

    int64_t visited() const { return full + partial; }
    /// Visible pairs / all pairs.
    double density() const;
    /// Visible pairs / computed pairs: 1 where no work is in vain.
    double useful_share() const;
    /// Visited blocks / blocks that hold a visible pair: 1 where the plan skips all it could.
    double tightness() const;
};
/// At most max_rows x max_columns cells.
BlockMap map_blocks(const MaskOfCall &mask, const HeadPairs &pairs, int64_t block_q, int64_t block_kv, int64_t max_rows,
                    int64_t max_columns);

/// What a kernel visits for one block of rows.
struct RowBlocks {
    std::vector<std::pair<int64_t, int64_t>> keys;  ///< first … last of the plan's ranges, inside the sequence, sorted and disjoint
    int64_t full = 0, partial = 0, skipped = 0;     ///< blocks of keys
};
RowBlocks map_row_blocks(const MaskOfCall &mask, const HeadPairs &pairs, int64_t q_first, int64_t block_q, int64_t block_kv);

}  // namespace attune

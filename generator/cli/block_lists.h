#pragma once
#include "attune/attention.h"
#include "generator/cli/flags.h"
#include "generator/cli/shape.h"
#include "generator/reference/reference.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace attune::cli {

/// The key blocks that each block of rows visits: attune_block_mask, and its arrays.
struct BlockLists {
    int64_t size_q = 0, size_kv = 0;         ///< rows and keys of a block; 0: no lists
    int64_t batch = 1, heads = 1, rows = 0;  ///< extents of row_offsets, which has rows + 1; batch or heads 1: shared
    std::vector<int32_t> row_offsets;
    std::vector<int32_t> columns;
    std::vector<uint8_t> full;  ///< beside columns: 1: the mask does not count there; empty: it does everywhere

    explicit operator bool() const { return size_q > 0; }
    attune_block_mask view() const;
    /// visit(column, full) for the blocks of a row of blocks, in their order.
    void for_each(int64_t b, int64_t h, int64_t row, const std::function<void(int64_t column, bool full)> &visit) const;
};

/// --block-mask of a command that reads its file; before declare_spec_flags, whose --block-mask takes "csr" only.
void declare_block_lists(Flags &flags);
bool takes_block_lists(const Flags &flags);
bool is_array_file(const std::string &text);  ///< ends in .npz or .npy

/// Reads the file of --block-mask: an .npz with int32 row_offsets (rows + 1), (heads, rows + 1) or (batch, heads, rows + 1), int32 columns and perhaps
/// bool full; or an .npy with a bool array (rows, columns), (heads, rows, columns) or (batch, heads, rows, columns) of blocks.
/// shape: with cu_seqlens, its lengths are those of the longest sequences. Throws Error(input).
BlockLists read_block_lists(const Flags &flags, const AttentionSpec &spec, const Shape &shape);

/// The lists of a dense mask of blocks, 1 where one is listed: (batch, heads, rows, columns). Throws Error(input) where they are too many.
BlockLists lists_of_dense(const AttentionSpec &spec, const uint8_t *dense, int64_t batch, int64_t heads, int64_t rows, int64_t columns);
/// Lists of its own for each sequence and head. density: the share of the blocks that are listed; full_share: of those, how many count as full.
BlockLists random_block_lists(const AttentionSpec &spec, const Shape &shape, double density, double full_share, uint64_t seed);

/// Of packed sequences, which may be shorter than the blocks that are listed for all: lists of its own for each.
BlockLists cut_to_lengths(const BlockLists &lists, const std::vector<int32_t> &lengths_kv);

/// Hides, in the reference, pairs whose block is not listed, and shows those of full blocks.
void apply_block_lists(ReferenceProblem &problem, const BlockLists &lists);

}  // namespace attune::cli

#pragma once
#include "Halide.h"

#include <string>
#include <vector>

namespace attune {

/// Arguments of a contraction (machine_operations.h); its `steps` are pairs or quads.
namespace contraction {
enum Argument { c, c_offset, c_stride, a, a_offset, a_stride, b, b_offset, b_stride, rows, columns, steps, from_zero, part, parts, asks };
}

/// The contraction that the statement is; null where it is none.
const Halide::Internal::Call *contraction_of(const Halide::Internal::Stmt &s);
/// A contraction as a statement, of the same machine operation as `like`.
Halide::Internal::Stmt contraction_call(const Halide::Internal::Call &like, const std::vector<Halide::Expr> &arguments);

/// Of sums that stay in tiles over several contractions: what one of them does (parts 0, part this). Their a and b are then not read by begin and end.
enum class KeptSums { begin, add, end };
constexpr int most_kept_tiles = 6;
/// Tiles of a contraction's sums, whose rows and columns are constants.
int tiles_of_sums(const Halide::Internal::Call &contraction);
Halide::Internal::Stmt kept_sums(const Halide::Internal::Call &contraction, KeptSums what, int first_tile);

/// The statement fills `buffer` with zeros.
bool is_zero_fill(const Halide::Internal::Stmt &s, const std::string &buffer);

/// Contractions into buffers whose names have `into` in them ask memory ahead (ask_ahead.h) once in so many products; 0: none does.
struct TileAsks {
    int products = 0;
    std::string into;
};

/// Turns loop nests of the form
///   for row: for column: for step: c[row, column] = attune_op_dot_…(c[row, column], b[step, column], a[row, step])
/// into one call of attune_op_contract_… (machine_operations.h), which the LLVM back end makes matrix tiles of. Where the nest is all
/// that follows the zeros that c starts from, those are left out. Rows, columns and steps must be multiples of 16.
void contract_in_tiles(Halide::Pipeline &pipeline, const TileAsks &asks = {});

}  // namespace attune

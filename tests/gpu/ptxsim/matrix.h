// What a whole warp does with matrices: mma.sync, ldmatrix, movmatrix. Fragments are laid out as the PTX ISA's tables say:
//   A (16 x k), row major: register r of lane l holds row l/4 + 8 (r%2), columns n (l%4) + 4n (r/2) …, n = 32 bits / element
//   B (k x 8): register r holds column l/4, rows n (l%4) + 4n r …
//   C, D (16 x 8): elements 2i, 2i+1 are row l/4 + 8i, columns 2 (l%4), 2 (l%4) + 1
#pragma once
#include "warp.h"

namespace ptxsim {

enum class MatrixElement : uint8_t { f16, bf16, tf32, s8, u8 };

// operand: D, A, B, C one after the other. Sums are made in f32 (s32), with k in order, and rounded at the end for f16 accumulators.
//   mode: the element; count: registers of A (2 or 4); target: 1 where accumulators are f16
void multiply_matrices(Warp &w, const Instruction &in);
// operand: count destinations, base. mode: memory.h's; target: 1 for .trans
void load_matrices(Warp &w, const Instruction &in);
// operand: destination, source
void transpose_matrix(Warp &w, const Instruction &in);

}  // namespace ptxsim

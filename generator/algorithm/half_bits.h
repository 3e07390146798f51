#pragma once
#include "Halide.h"

namespace attune {

// Halves as uint16, for devices that have no such type, or whose compiler in Halide 21 has none (bfloat16 in PTX).

/// The f32 of an f16's bits, exact.
Halide::Expr f32_of_half_bits(const Halide::Expr &half);
/// The bits of the nearest f16, ties to even; a NaN stays one.
Halide::Expr half_bits_of_f32(const Halide::Expr &x);
/// The same of bf16.
Halide::Expr f32_of_bf16_bits(const Halide::Expr &half);
Halide::Expr bf16_bits_of_f32(const Halide::Expr &x);

}  // namespace attune

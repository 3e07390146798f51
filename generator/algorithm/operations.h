#pragma once
#include "Halide.h"
#include "generator/algorithm/machine_operations.h"

namespace attune {

/// How exact weights must be: as f32, or as a half type that they are rounded to.
enum class WeightPrecision { f32, half };

/// 2^x. Relative error 2.5e-7 (half: 7.7e-5, marked only); exactly 0 where 2^x is below 2^-126 (plain: and for -infinity nothing is said).
/// Above 2^127: 2^127 … 2^128 or infinity. A NaN gives a NaN or 2^127 … 2^128; no guard on sums lets any of these pass.
Halide::Expr exp2(const MachineOperations &machine, const Halide::Expr &x, WeightPrecision precision = WeightPrecision::f32);

/// Two bf16 as one uint32, the first in the low half: exact for values that are bf16.
Halide::Expr pair_of_bf16(const Halide::Expr &low, const Halide::Expr &high);
/// The same for f32, each rounded to the nearest bf16, ties away from 0. A NaN whose low 16 bits are not 0 may become a number.
Halide::Expr rounded_pair_of_bf16(const MachineOperations &machine, const Halide::Expr &low, const Halide::Expr &high);

/// The bits of the nearest bf16, ties to even. A NaN stays one; below the smallest normal number the machine gives 0. The machine must have dot_bf16.
Halide::Expr bf16_of(const MachineOperations &machine, const Halide::Expr &x);

/// The bf16 of (bits & 15) - 8.
Halide::Expr bf16_of_nibble(const MachineOperations &machine, const Halide::Expr &bits);

/// accumulator + low(a) low(b) + high(a) high(b). The machine's flushes denormals; its two sums are rounded once or twice.
Halide::Expr dot_bf16(const MachineOperations &machine, const Halide::Expr &accumulator, const Halide::Expr &a, const Halide::Expr &b);

// Halves are handled by their bits, as uint16: Halide 21 makes f32 of Float(16) arithmetic.

/// An f32 rounded to the nearest half, and back.
Halide::Expr half_of(const Halide::Expr &x);
Halide::Expr f32_of_half(const Halide::Expr &half);
/// A half twice, which the machine broadcasts from memory without a shuffle.
Halide::Expr half_twice(const Halide::Expr &half);
/// accumulator + a b in half precision; b by half_twice. The twin rounds twice, to f32 and to half.
Halide::Expr fma_f16(const MachineOperations &machine, const Halide::Expr &accumulator, const Halide::Expr &a, const Halide::Expr &b);
/// 2^x in half precision. Relative error 1.5e-3 down to 2^-14, then within 2^-24; infinity above 2^16, NaN for NaN or infinity.
Halide::Expr exp2_f16(const MachineOperations &machine, const Halide::Expr &x);

/// Four integers from -128 to 255 as the bytes of a uint32, the first lowest.
Halide::Expr quad_of_i8(const Halide::Expr (&elements)[4]);
/// accumulator + the four products of the signed bytes of a and the unsigned ones of b.
Halide::Expr dot_i8(const MachineOperations &machine, const Halide::Expr &accumulator, const Halide::Expr &a, const Halide::Expr &b);
/// The same of signed bytes on both sides, for matrix tiles.
Halide::Expr dot_signed_i8(const MachineOperations &machine, const Halide::Expr &accumulator, const Halide::Expr &a, const Halide::Expr &b);

}  // namespace attune

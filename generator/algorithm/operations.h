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
Halide::Expr rounded_pair_of_bf16(const Halide::Expr &low, const Halide::Expr &high);

/// accumulator + low(a) low(b) + high(a) high(b). The machine's flushes denormals; its two sums are rounded once or twice.
Halide::Expr dot_bf16(const MachineOperations &machine, const Halide::Expr &accumulator, const Halide::Expr &a, const Halide::Expr &b);

}  // namespace attune

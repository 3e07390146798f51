#pragma once
#include "Halide.h"

#include <string>

namespace attune {

/// 2^x as device kernels call it where this pass runs.
inline const char *const shader_exp2 = "attune_exp2";

/// What shader languages (SPIR-V, Metal, HLSL, WGSL) have in common: 2^x is e^(x ln 2), a function that they have, in place of a polynomial, of which
/// their compilers may take (x + c) - c for x.
void lower_for_shaders(Halide::Pipeline &pipeline);

/// For languages whose integers have 32 bits, as Halide 21 writes them: Metal, HLSL, WGSL. What is widened to be clamped is clamped as it is. Lowering
/// throws Error(target) where other 64-bit integers are left: `key` and `text` are what they come from, `name` the target.
void narrow_integers(Halide::Pipeline &pipeline, const std::string &name, const std::string &key, const std::string &text);

}  // namespace attune

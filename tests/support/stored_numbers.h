/// Numbers as arrays of a type hold them.
#pragma once
#include "generator/reference/half.h"
#include "generator/spec/spec.h"

#include <bit>

namespace attune::test {

inline uint32_t to_bits(DType dtype, double x) {
    const float f = static_cast<float>(x);
    return dtype == DType::f32 ? std::bit_cast<uint32_t>(f) : dtype == DType::f16 ? float_to_f16(f) : float_to_bf16(f);
}

inline double from_bits(DType dtype, uint32_t bits) {
    if (dtype == DType::f32) return std::bit_cast<float>(bits);
    return dtype == DType::f16 ? f16_to_float(static_cast<uint16_t>(bits)) : bf16_to_float(static_cast<uint16_t>(bits));
}

}  // namespace attune::test

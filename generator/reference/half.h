#pragma once
#include <bit>
#include <cstdint>

/// The 16-bit types as bits, and float. Written from IEEE 754 with integers only, so that they agree on every machine;
/// conversions to 16 bits round to nearest, ties to even, keep the sign of zero and make every NaN quiet.
namespace attune {

/// 1 sign, 5 exponent (bias 15), 10 fraction bits. Exact.
inline float f16_to_float(uint16_t bits) {
    const uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31, fraction = bits & 0x3ffu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
    if (exponent > 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal or zero: exact in float
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

inline uint16_t float_to_f16(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x), magnitude = bits & 0x7fffffffu;
    const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and above
    // The fraction bits that stay are those above `drop`; a subnormal result keeps fewer.
    uint32_t significand = magnitude, drop = 13;
    uint32_t result_base = 112u << 10;
    if (magnitude < 0x38800000u) {  // below 2^-14
        const uint32_t exponent = magnitude >> 23;
        if (exponent < 102) return sign;  // below 2^-25: nearer to 0
        significand = (magnitude & 0x7fffffu) | 0x800000u;
        drop = 126 - exponent;
        result_base = 0;
    }
    const uint32_t kept = significand >> drop, rest = significand & ((1u << drop) - 1), half = 1u << (drop - 1);
    const uint32_t rounded = kept + (rest > half || (rest == half && (kept & 1)));  // a carry moves into the exponent, as it must
    return static_cast<uint16_t>(sign | (rounded - result_base));
}

/// The upper half of a float. Exact.
inline float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

inline uint16_t float_to_bf16(float x) {
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
    return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

}  // namespace attune

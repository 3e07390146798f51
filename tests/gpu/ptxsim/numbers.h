// The number types of PTX and how a register's lane holds them: 64-bit types in 8 bytes, all others in 4, extended as their sign says.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ptxsim {

enum class Type : uint8_t { none, pred, u8, s8, u16, s16, u32, s32, u64, s64, f16, bf16, f16x2, bf16x2, f32, f64 };

struct Half {
    uint16_t bits;
};
struct Bfloat {
    uint16_t bits;
};
struct Half2 {
    uint32_t bits;
};  // the first of two in the low bits
struct Bfloat2 {
    uint32_t bits;
};

inline float to_float(Half h) { return static_cast<float>(std::bit_cast<_Float16>(h.bits)); }
inline float to_float(Bfloat b) { return std::bit_cast<float>(static_cast<uint32_t>(b.bits) << 16); }
inline float to_float(float f) { return f; }

template <class T> T from_float(float f);  // nearest, ties to even
template <> inline float from_float(float f) { return f; }
template <> inline Half from_float(float f) { return {std::bit_cast<uint16_t>(static_cast<_Float16>(f))}; }
template <> inline Bfloat from_float(float f) {
    const uint32_t bits = std::bit_cast<uint32_t>(f);
    if (std::isnan(f)) return {0x7fff};  // PTX's NaN
    return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <class T> struct TypeOf;
template <> struct TypeOf<bool> { static constexpr Type value = Type::pred; };
template <> struct TypeOf<uint8_t> { static constexpr Type value = Type::u8; };
template <> struct TypeOf<int8_t> { static constexpr Type value = Type::s8; };
template <> struct TypeOf<uint16_t> { static constexpr Type value = Type::u16; };
template <> struct TypeOf<int16_t> { static constexpr Type value = Type::s16; };
template <> struct TypeOf<uint32_t> { static constexpr Type value = Type::u32; };
template <> struct TypeOf<int32_t> { static constexpr Type value = Type::s32; };
template <> struct TypeOf<uint64_t> { static constexpr Type value = Type::u64; };
template <> struct TypeOf<int64_t> { static constexpr Type value = Type::s64; };
template <> struct TypeOf<Half> { static constexpr Type value = Type::f16; };
template <> struct TypeOf<Bfloat> { static constexpr Type value = Type::bf16; };
template <> struct TypeOf<Half2> { static constexpr Type value = Type::f16x2; };
template <> struct TypeOf<Bfloat2> { static constexpr Type value = Type::bf16x2; };
template <> struct TypeOf<float> { static constexpr Type value = Type::f32; };
template <> struct TypeOf<double> { static constexpr Type value = Type::f64; };

inline int bits_of(Type t) {
    constexpr int bits[] = {0, 1, 8, 8, 16, 16, 32, 32, 64, 64, 16, 16, 32, 32, 32, 64};
    return bits[static_cast<int>(t)];
}

template <class T> using Slot = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> inline T from_slot(Slot<T> s) {
    if constexpr (std::is_same_v<T, bool>) return s != 0;
    else if constexpr (std::is_integral_v<T>) return static_cast<T>(s);
    else if constexpr (sizeof(T) == 2) return std::bit_cast<T>(static_cast<uint16_t>(s));
    else return std::bit_cast<T>(s);
}

template <class T> inline Slot<T> to_slot(T v) {
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T> && sizeof(T) < 4) return static_cast<uint32_t>(static_cast<int32_t>(v));
    else if constexpr (std::is_integral_v<T>) return static_cast<Slot<T>>(v);
    else if constexpr (sizeof(T) == 2) return std::bit_cast<uint16_t>(v);
    else return std::bit_cast<Slot<T>>(v);
}

}  // namespace ptxsim

#include "generator/algorithm/half_bits.h"

namespace attune {

using namespace Halide;

namespace {

Expr bits(uint32_t constant) {
    return Expr(constant);
}

}  // namespace

Expr f32_of_half_bits(const Expr &half) {
    // Exponents are moved by a product, which makes denormals right; infinities and NaNs get the largest exponent.
    const Expr all = cast<uint32_t>(half), magnitude = (all & bits(0x7fff)) << bits(13);
    const Expr finite = reinterpret<float>(magnitude) * 5.192296858534828e33f;  // 2^112
    const Expr special = reinterpret<float>(magnitude | bits(0x7f800000));
    const Expr result = select((all & bits(0x7c00)) == bits(0x7c00), special, finite);
    return reinterpret<float>(reinterpret<uint32_t>(result) | (all & bits(0x8000)) << bits(16));
}

Expr half_bits_of_f32(const Expr &x) {
    const Expr all = reinterpret<uint32_t>(x), sign = all >> bits(16) & bits(0x8000), magnitude = all & bits(0x7fffffff);
    // Below 2^-14 a half's last place is 2^-24: adding 1/2, whose last place that is, rounds there.
    const Expr small = reinterpret<uint32_t>(strict_float(reinterpret<float>(magnitude) + 0.5f)) - bits(0x3f000000);
    // The exponent less 112, and half a last place more.
    const Expr normal = (magnitude + bits(0xc8000fff) + (magnitude >> bits(13) & bits(1))) >> bits(13);
    const Expr special = select(magnitude > bits(0x7f800000), bits(0x7e00), bits(0x7c00));
    const Expr rounded = select(magnitude < bits(0x38800000), small, magnitude < bits(0x47800000), normal, special);
    return cast<uint16_t>(sign | rounded);
}

Expr f32_of_bf16_bits(const Expr &half) {
    return reinterpret<float>(cast<uint32_t>(half) << bits(16));
}

Expr bf16_bits_of_f32(const Expr &x) {
    const Expr all = reinterpret<uint32_t>(x), half = bits(0x7fff) + (all >> bits(16) & bits(1));
    const Expr is_nan = (all & bits(0x7fffffff)) > bits(0x7f800000);
    return cast<uint16_t>(select(is_nan, bits(0x7fc0), (all + half) >> bits(16)));
}

}  // namespace attune

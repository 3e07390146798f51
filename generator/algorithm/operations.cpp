#include "generator/algorithm/operations.h"

#include "generator/algorithm/attention.h"

namespace attune {

using namespace Halide;

namespace {

Expr marked(const Type &type, const char *name, const std::vector<Expr> &arguments) {
    return Internal::Call::make(type, name, arguments, Internal::Call::PureExtern);
}

Expr low_half(const Expr &pair) {
    return reinterpret<float>(pair << Expr(uint32_t{16}));
}
Expr high_half(const Expr &pair) {
    return reinterpret<float>(pair & Expr(0xffff0000u));
}

/// Byte i, as a number from -128 to 127.
Expr signed_byte(const Expr &quad, uint32_t i) {
    return cast<int32_t>(quad << Expr(24 - 8 * i)) >> 24;
}

}  // namespace

Expr exp2(const MachineOperations &machine, const Expr &x, WeightPrecision precision) {
    if (!machine.exp2)
        return exp2_capped(x);
    return marked(Float(32), precision == WeightPrecision::f32 ? exp2_f32_name : exp2_half_name, {x});
}

Expr pair_of_bf16(const Expr &low, const Expr &high) {
    auto bits = [](const Expr &x) { return cast<uint32_t>(reinterpret<uint16_t>(x)); };
    return bits(low) | bits(high) << Expr(uint32_t{16});
}

Expr rounded_pair_of_bf16(const MachineOperations &machine, const Expr &low, const Expr &high) {
    if (machine.dot_bf16)
        return marked(UInt(32), round_pair_bf16_name, {low, high});
    auto rounded = [](const Expr &x) { return reinterpret<uint32_t>(x) + Expr(0x8000u); };
    return rounded(low) >> Expr(uint32_t{16}) | (rounded(high) & Expr(0xffff0000u));
}

Expr bf16_of(const MachineOperations &, const Expr &x) {
    return marked(UInt(16), bf16_of_f32_name, {x});
}

Expr bf16_of_nibble(const MachineOperations &machine, const Expr &bits) {
    if (machine.dot_bf16)
        return marked(UInt(16), bf16_of_nibble_name, {bits});
    const Expr number = cast<float>(cast<int>(bits & cast<uint16_t>(15)) - 8);
    return cast<uint16_t>(reinterpret<uint32_t>(number) >> Expr(uint32_t{16}));
}

Expr dot_bf16(const MachineOperations &machine, const Expr &accumulator, const Expr &a, const Expr &b) {
    if (machine.dot_bf16)
        return marked(Float(32), dot_bf16_name, {accumulator, a, b});
    return accumulator + low_half(a) * low_half(b) + high_half(a) * high_half(b);
}

Expr half_of(const Expr &x) {
    return reinterpret<uint16_t>(cast(Float(16), x));
}

Expr f32_of_half(const Expr &half) {
    return cast<float>(reinterpret(Float(16), half));
}

Expr half_twice(const Expr &half) {
    const Expr bits = cast<uint32_t>(half);
    return bits | bits << Expr(uint32_t{16});
}

Expr fma_f16(const MachineOperations &machine, const Expr &accumulator, const Expr &a, const Expr &b) {
    if (machine.fma_f16)
        return marked(UInt(16), fma_f16_name, {accumulator, a, b});
    return half_of(f32_of_half(accumulator) + f32_of_half(a) * f32_of_half(cast<uint16_t>(b)));
}

Expr exp2_f16(const MachineOperations &machine, const Expr &x) {
    if (machine.fma_f16)
        return marked(UInt(16), exp2_f16_name, {x});
    return half_of(exp2_capped(f32_of_half(x)));
}

Expr quad_of_i8(const Expr (&elements)[4]) {
    // Of a cast or reinterpretation to unsigned right behind one from float Halide makes a single cast, for which AVX-512 has an instruction that takes
    // negative numbers to 2^32 - 1.
    auto byte = [](const Expr &x) { return cast<uint32_t>(cast<int32_t>(x) & 255); };
    Expr quad = byte(elements[0]);
    for (uint32_t i = 1; i < 4; i++)
        quad = quad | byte(elements[i]) << Expr(8 * i);
    return quad;
}

Expr dot_i8(const MachineOperations &machine, const Expr &accumulator, const Expr &a, const Expr &b) {
    if (machine.dot_i8)
        return marked(Int(32), dot_i8_name, {accumulator, a, b});
    Expr sum = accumulator;
    for (uint32_t i = 0; i < 4; i++)
        sum += signed_byte(a, i) * cast<int32_t>(b >> Expr(8 * i) & Expr(255u));
    return sum;
}

Expr dot_signed_i8(const MachineOperations &machine, const Expr &accumulator, const Expr &a, const Expr &b) {
    if (machine.tiles)
        return marked(Int(32), dot_signed_i8_name, {accumulator, a, b});
    Expr sum = accumulator;
    for (uint32_t i = 0; i < 4; i++)
        sum += signed_byte(a, i) * signed_byte(b, i);
    return sum;
}

}  // namespace attune

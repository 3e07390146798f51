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

Expr rounded_pair_of_bf16(const Expr &low, const Expr &high) {
    // Four integer steps for two vectors; the machine's conversion gives 16 lanes of a 32-lane register, which would have to be interleaved.
    auto rounded = [](const Expr &x) { return reinterpret<uint32_t>(x) + Expr(0x8000u); };
    return rounded(low) >> Expr(uint32_t{16}) | (rounded(high) & Expr(0xffff0000u));
}

Expr dot_bf16(const MachineOperations &machine, const Expr &accumulator, const Expr &a, const Expr &b) {
    if (machine.dot_bf16)
        return marked(Float(32), dot_bf16_name, {accumulator, a, b});
    return accumulator + low_half(a) * low_half(b) + high_half(a) * high_half(b);
}

}  // namespace attune

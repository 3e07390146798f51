// cvt: the pairs that kernels are full of as loops of their own, and one slow loop for all others.
#include <cfenv>
#include <limits>

#include "warp.h"

namespace ptxsim {
namespace {

template <class D, class S> D from_real(S s) {  // float -> integer, towards zero: NaN is 0, too large is the largest
    if (std::isnan(s)) return 0;
    // The largest integer may not be a float; the power of two after it always is.
    const S beyond = std::ldexp(S(1), std::numeric_limits<D>::digits);
    if (s >= beyond) return std::numeric_limits<D>::max();
    if (s <= (std::is_signed_v<D> ? -beyond : S(0))) return std::numeric_limits<D>::min();
    return static_cast<D>(s);
}

template <class D, class S> void add_integer(FormTable &t, const char *to, const char *from) {
    t[std::string("cvt.") + to + "." + from] = form<D, S>([](S s) { return static_cast<D>(s); });
}
template <class S> void add_from_integer(FormTable &t, const char *from) {
    add_integer<uint16_t, S>(t, "u16", from);
    add_integer<int16_t, S>(t, "s16", from);
    add_integer<uint32_t, S>(t, "u32", from);
    add_integer<int32_t, S>(t, "s32", from);
    add_integer<uint64_t, S>(t, "u64", from);
    add_integer<int64_t, S>(t, "s64", from);
    t[std::string("cvt.rn.f32.") + from] = form<float, S>([](S s) { return static_cast<float>(s); });
    t[std::string("cvt.rn.f64.") + from] = form<double, S>([](S s) { return static_cast<double>(s); });
}

FormTable make_table() {
    FormTable t;
    add_from_integer<uint8_t>(t, "u8");
    add_from_integer<int8_t>(t, "s8");
    add_from_integer<uint16_t>(t, "u16");
    add_from_integer<int16_t>(t, "s16");
    add_from_integer<uint32_t>(t, "u32");
    add_from_integer<int32_t>(t, "s32");
    add_from_integer<uint64_t>(t, "u64");
    add_from_integer<int64_t>(t, "s64");
    t["cvt.rzi.s32.f32"] = form<int32_t, float>([](float s) { return from_real<int32_t>(s); });
    t["cvt.rzi.u32.f32"] = form<uint32_t, float>([](float s) { return from_real<uint32_t>(s); });
    t["cvt.rni.s32.f32"] = form<int32_t, float>([](float s) { return from_real<int32_t>(std::nearbyint(s)); });
    t["cvt.rmi.s32.f32"] = form<int32_t, float>([](float s) { return from_real<int32_t>(std::floor(s)); });
    t["cvt.rmi.f32.f32"] = form<float, float>([](float s) { return std::floor(s); });
    t["cvt.rpi.f32.f32"] = form<float, float>([](float s) { return std::ceil(s); });
    t["cvt.rzi.f32.f32"] = form<float, float>([](float s) { return std::trunc(s); });
    t["cvt.rni.f32.f32"] = form<float, float>([](float s) { return std::nearbyint(s); });
    t["cvt.f32.f16"] = form<float, Half>([](Half s) { return to_float(s); });
    t["cvt.f32.bf16"] = form<float, Bfloat>([](Bfloat s) { return to_float(s); });
    t["cvt.rn.f16.f32"] = form<Half, float>([](float s) { return from_float<Half>(s); });
    t["cvt.rn.bf16.f32"] = form<Bfloat, float>([](float s) { return from_float<Bfloat>(s); });
    t["cvt.f64.f32"] = form<double, float>([](float s) { return static_cast<double>(s); });
    t["cvt.rn.f32.f64"] = form<float, double>([](double s) { return static_cast<float>(s); });
    // Pairs: the first source is the upper half.
    t["cvt.rn.f16x2.f32"] = form<Half2, float, float>(
        [](float a, float b) { return Half2{static_cast<uint32_t>(from_float<Half>(a).bits) << 16 | from_float<Half>(b).bits}; });
    t["cvt.rn.bf16x2.f32"] = form<Bfloat2, float, float>(
        [](float a, float b) { return Bfloat2{static_cast<uint32_t>(from_float<Bfloat>(a).bits) << 16 | from_float<Bfloat>(b).bits}; });
    t["cvt.rz.bf16x2.f32"] = form<Bfloat2, float, float>(
        [](float a, float b) { return Bfloat2{(std::bit_cast<uint32_t>(a) & 0xffff0000) | std::bit_cast<uint32_t>(b) >> 16}; });
    t["cvt.rn.relu.f16x2.f32"] = form<Half2, float, float>([](float a, float b) {
        return Half2{static_cast<uint32_t>(from_float<Half>(std::fmax(a, 0.f)).bits) << 16 | from_float<Half>(std::fmax(b, 0.f)).bits};
    });
    // Nearest with 10 bits of fraction, ties away from zero.
    t["cvt.rna.tf32.f32"] = form<uint32_t, float>(
        [](float s) { return std::isfinite(s) ? (std::bit_cast<uint32_t>(s) + 0x1000) & 0xffffe000 : std::bit_cast<uint32_t>(s); });
    return t;
}

struct Real {  // any source, exactly
    bool is_integer;
    __int128 integer;
    double real;
};

Real read(Type type, uint64_t bits) {
    switch (type) {
    case Type::u8: return {true, static_cast<uint8_t>(bits), 0};
    case Type::s8: return {true, static_cast<int8_t>(bits), 0};
    case Type::u16: return {true, static_cast<uint16_t>(bits), 0};
    case Type::s16: return {true, static_cast<int16_t>(bits), 0};
    case Type::u32: return {true, static_cast<uint32_t>(bits), 0};
    case Type::s32: return {true, static_cast<int32_t>(bits), 0};
    case Type::u64: return {true, bits, 0};
    case Type::s64: return {true, static_cast<int64_t>(bits), 0};
    case Type::f16: return {false, 0, to_float(Half{static_cast<uint16_t>(bits)})};
    case Type::bf16: return {false, 0, to_float(Bfloat{static_cast<uint16_t>(bits)})};
    case Type::f32: return {false, 0, std::bit_cast<float>(static_cast<uint32_t>(bits))};
    default: return {false, 0, std::bit_cast<double>(bits)};
    }
}

template <class T> uint64_t bits_of_integer(__int128 v) {
    const __int128 low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    return to_slot<T>(static_cast<T>(v < low ? low : v > high ? high : v));
}
template <class T> uint64_t wrapped(__int128 v) { return to_slot<T>(static_cast<T>(v)); }

// The neighbour towards which a direction rounds, from the nearest: value as T of its bits, moved by one where it lies on the wrong side.
template <class T, class B> T directed(T nearest, bool too_large, bool too_small, Rounding rounding, bool negative) {
    const bool down = rounding == Rounding::down || (rounding == Rounding::zero && !negative);
    const bool up = rounding == Rounding::up || (rounding == Rounding::zero && negative);
    B bits = std::bit_cast<B>(nearest);
    const B sign = B(1) << (8 * sizeof(B) - 1);
    auto step = [&](bool upwards) {
        if ((bits & ~sign) == 0) bits = upwards ? 1 : sign | 1;
        else bits += ((bits & sign) == 0) == upwards ? 1 : -1;
    };
    if (down && too_large) step(false);
    if (up && too_small) step(true);
    return std::bit_cast<T>(bits);
}

template <class T, class B> uint64_t to_real(const Real &s, Rounding rounding) {
    const long double exact = s.is_integer ? static_cast<long double>(s.integer) : static_cast<long double>(s.real);
    T nearest;
    long double got;
    if constexpr (std::is_same_v<T, Half>) {
        nearest = Half{std::bit_cast<uint16_t>(s.is_integer ? static_cast<_Float16>(exact) : static_cast<_Float16>(s.real))};
        got = to_float(nearest);
    } else if constexpr (std::is_same_v<T, Bfloat>) {
        nearest = from_float<Bfloat>(static_cast<float>(exact));
        got = to_float(nearest);
    } else {
        nearest = static_cast<T>(exact);
        got = nearest;
    }
    if (rounding == Rounding::nearest || !(std::fabs(exact) >= 0)) return to_slot(nearest);
    return to_slot(directed<T, B>(nearest, got > exact, got < exact, rounding, exact < 0));
}

uint64_t convert(Type to, Type from, Rounding rounding, bool saturate, bool flush, uint64_t bits) {
    Real s = read(from, bits);
    const bool to_integer = to >= Type::u8 && to <= Type::s64;
    if (!s.is_integer) {
        if (flush && std::fabs(s.real) < std::numeric_limits<float>::min()) s.real = std::copysign(0., s.real);
        if (rounding == Rounding::to_nearest_integer) s.real = std::nearbyint(s.real);
        if (rounding == Rounding::to_zero_integer || (to_integer && rounding < Rounding::to_nearest_integer)) s.real = std::trunc(s.real);
        if (rounding == Rounding::to_lower_integer) s.real = std::floor(s.real);
        if (rounding == Rounding::to_upper_integer) s.real = std::ceil(s.real);
    }
    if (to_integer) {
        const bool was_real = !s.is_integer;
        if (was_real) {
            if (std::isnan(s.real)) return 0;
            s.integer = s.real >= 0x1p100 ? __int128(1) << 100 : s.real <= -0x1p100 ? -(__int128(1) << 100) : static_cast<__int128>(s.real);
        }
        const bool clamp = saturate || was_real;
        switch (to) {
        case Type::u8: return clamp ? bits_of_integer<uint8_t>(s.integer) : wrapped<uint8_t>(s.integer);
        case Type::s8: return clamp ? bits_of_integer<int8_t>(s.integer) : wrapped<int8_t>(s.integer);
        case Type::u16: return clamp ? bits_of_integer<uint16_t>(s.integer) : wrapped<uint16_t>(s.integer);
        case Type::s16: return clamp ? bits_of_integer<int16_t>(s.integer) : wrapped<int16_t>(s.integer);
        case Type::u32: return clamp ? bits_of_integer<uint32_t>(s.integer) : wrapped<uint32_t>(s.integer);
        case Type::s32: return clamp ? bits_of_integer<int32_t>(s.integer) : wrapped<int32_t>(s.integer);
        case Type::u64: return clamp ? bits_of_integer<uint64_t>(s.integer) : wrapped<uint64_t>(s.integer);
        default: return clamp ? bits_of_integer<int64_t>(s.integer) : wrapped<int64_t>(s.integer);
        }
    }
    if (saturate) {
        if (s.is_integer) s.integer = s.integer < 0 ? 0 : s.integer > 1 ? 1 : s.integer;
        else s.real = s.real > 0 ? std::fmin(s.real, 1.) : 0.;
    }
    if (to == Type::f16) return to_real<Half, uint16_t>(s, rounding);
    if (to == Type::bf16) return to_real<Bfloat, uint16_t>(s, rounding);
    if (to == Type::f32) return to_real<float, uint32_t>(s, rounding);
    return to_real<double, uint64_t>(s, rounding);
}

template <class D, class S> void convert_lanes(Warp &w, const Instruction &in) {
    const Type to = static_cast<Type>(in.offset & 255), from = static_cast<Type>(in.offset >> 8 & 255);
    const bool saturate = in.offset >> 16 & 1, flush = in.offset >> 17 & 1;
    for_lanes(w.active, [&](int lane) {
        w.set<D>(in.operand[0], lane,
                 static_cast<D>(convert(to, from, static_cast<Rounding>(in.mode), saturate, flush, w.get<S>(in.operand[1], lane))));
    });
}

}  // namespace

const FormTable &conversion_forms() {
    static const FormTable table = make_table();
    return table;
}

Form any_conversion(Type to, Type from, Rounding rounding, bool saturate, bool flush, Instruction &in) {
    in.mode = static_cast<uint8_t>(rounding);
    in.offset = static_cast<int64_t>(to) | static_cast<int64_t>(from) << 8 | (saturate ? 1 << 16 : 0) | (flush ? 1 << 17 : 0);
    const bool wide_to = bits_of(to) == 64, wide_from = bits_of(from) == 64;
    Form f;
    f.run = wide_to ? (wide_from ? convert_lanes<uint64_t, uint64_t> : convert_lanes<uint64_t, uint32_t>)
                    : (wide_from ? convert_lanes<uint32_t, uint64_t> : convert_lanes<uint32_t, uint32_t>);
    f.types = {to, from};
    return f;
}

}  // namespace ptxsim

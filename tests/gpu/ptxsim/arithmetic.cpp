// Instructions that compute each lane from that lane alone, one table row a form.
#include <limits>

#include "warp.h"

namespace ptxsim {
namespace {

template <class T> constexpr int bits = 8 * sizeof(T);
template <class T> struct Twice;
template <> struct Twice<uint16_t> { using type = uint32_t; };
template <> struct Twice<int16_t> { using type = int32_t; };
template <> struct Twice<uint32_t> { using type = uint64_t; };
template <> struct Twice<int32_t> { using type = int64_t; };
template <> struct Twice<uint64_t> { using type = unsigned __int128; };
template <> struct Twice<int64_t> { using type = __int128; };

template <class T> void add_integers(FormTable &t, const std::string &type) {
    using W = typename Twice<T>::type;
    using U = std::conditional_t<bits<T> == 64, uint64_t, uint32_t>;  // sums wrap around
    t["add." + type] = form<T, T, T>([](T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); });
    t["sub." + type] = form<T, T, T>([](T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); });
    t["mul.lo." + type] = form<T, T, T>([](T a, T b) { return static_cast<T>(static_cast<W>(a) * static_cast<W>(b)); });
    t["mul.hi." + type] = form<T, T, T>([](T a, T b) { return static_cast<T>(static_cast<W>(a) * static_cast<W>(b) >> bits<T>); });
    t["mad.lo." + type] =
        form<T, T, T, T>([](T a, T b, T c) { return static_cast<T>(static_cast<U>(static_cast<W>(a) * static_cast<W>(b)) + static_cast<U>(c)); });
    t["mad.hi." + type] = form<T, T, T, T>(
        [](T a, T b, T c) { return static_cast<T>(static_cast<U>(static_cast<W>(a) * static_cast<W>(b) >> bits<T>) + static_cast<U>(c)); });
    if constexpr (bits<T> < 64) {
        t["mul.wide." + type] = form<W, T, T>([](T a, T b) { return static_cast<W>(static_cast<W>(a) * static_cast<W>(b)); });
        t["mad.wide." + type] = form<W, T, T, W>(
            [](T a, T b, W c) { return static_cast<W>(static_cast<uint64_t>(static_cast<W>(a) * static_cast<W>(b)) + static_cast<uint64_t>(c)); });
    }
    // The quotient by zero is unspecified in PTX; all ones, as on the machines, and no trap here.
    t["div." + type] = form<T, T, T>([](T a, T b) { return b == 0 ? static_cast<T>(-1) : static_cast<T>(static_cast<W>(a) / static_cast<W>(b)); });
    t["rem." + type] = form<T, T, T>([](T a, T b) { return b == 0 ? a : static_cast<T>(static_cast<W>(a) % static_cast<W>(b)); });
    t["min." + type] = form<T, T, T>([](T a, T b) { return a < b ? a : b; });
    t["max." + type] = form<T, T, T>([](T a, T b) { return a > b ? a : b; });
    t["shr." + type] = form<T, T, uint32_t>([](T a, uint32_t n) {
        if (n >= static_cast<uint32_t>(bits<T>)) return static_cast<T>(a < 0 ? -1 : 0);
        return static_cast<T>(a >> n);
    });
    if constexpr (std::is_signed_v<T>) {
        t["neg." + type] = form<T, T>([](T a) { return static_cast<T>(-static_cast<U>(a)); });
        t["abs." + type] = form<T, T>([](T a) { return static_cast<T>(a < 0 ? -static_cast<U>(a) : static_cast<U>(a)); });
    }
}

template <class T> void add_bits(FormTable &t, const std::string &type) {
    t["and." + type] = form<T, T, T>([](T a, T b) { return static_cast<T>(a & b); });
    t["or." + type] = form<T, T, T>([](T a, T b) { return static_cast<T>(a | b); });
    t["xor." + type] = form<T, T, T>([](T a, T b) { return static_cast<T>(a ^ b); });
    if constexpr (std::is_same_v<T, bool>) t["not." + type] = form<T, T>([](T a) { return !a; });
    else t["not." + type] = form<T, T>([](T a) { return static_cast<T>(~a); });
    if constexpr (!std::is_same_v<T, bool>) {
        t["cnot." + type] = form<T, T>([](T a) { return static_cast<T>(a == 0); });
        t["shl." + type] = form<T, T, uint32_t>([](T a, uint32_t n) { return n >= static_cast<uint32_t>(bits<T>) ? T(0) : static_cast<T>(a << n); });
        t["shr." + type] = form<T, T, uint32_t>([](T a, uint32_t n) { return n >= static_cast<uint32_t>(bits<T>) ? T(0) : static_cast<T>(a >> n); });
    }
}

template <class T> void add_wide_bits(FormTable &t, const std::string &type) {  // 32 and 64 bits
    t["popc." + type] = form<uint32_t, T>([](T a) { return static_cast<uint32_t>(std::popcount(a)); });
    t["clz." + type] = form<uint32_t, T>([](T a) { return static_cast<uint32_t>(std::countl_zero(a)); });
    t["brev." + type] = form<T, T>([](T a) {
        T r = 0;
        for (int i = 0; i < bits<T>; i++) r |= (a >> i & 1) << (bits<T> - 1 - i);
        return r;
    });
    t["bfi." + type] = form<T, T, T, uint32_t, uint32_t>([](T a, T b, uint32_t position, uint32_t length) {
        position &= 255, length &= 255;
        if (position >= static_cast<uint32_t>(bits<T>)) return b;
        const T ones = length >= static_cast<uint32_t>(bits<T>) ? ~T(0) : (T(1) << length) - 1;
        return static_cast<T>((b & ~(ones << position)) | (a & ones) << position);
    });
}
template <class T> void add_bit_field(FormTable &t, const std::string &type) {
    using U = std::make_unsigned_t<T>;
    t["bfe." + type] = form<T, T, uint32_t, uint32_t>([](T a, uint32_t position, uint32_t length) {
        position &= 255, length &= 255;
        if (length == 0) return T(0);
        const uint32_t last = std::min<uint32_t>(position + length - 1, bits<T> - 1);
        const bool sign = std::is_signed_v<T> && (static_cast<U>(a) >> last & 1);
        const U shifted = position >= static_cast<uint32_t>(bits<T>) ? U(0) : static_cast<U>(a) >> position;
        const uint32_t kept = position >= static_cast<uint32_t>(bits<T>) ? 0 : std::min<uint32_t>(length, bits<T> - position);
        const U ones = kept >= static_cast<uint32_t>(bits<T>) ? ~U(0) : (U(1) << kept) - 1;
        return static_cast<T>(sign ? (shifted & ones) | ~ones : shifted & ones);
    });
    t["bfind." + type] = form<uint32_t, T>([](T a) {
        const U v = std::is_signed_v<T> && a < 0 ? ~static_cast<U>(a) : static_cast<U>(a);
        return v == 0 ? 0xffffffffu : static_cast<uint32_t>(bits<T> - 1 - std::countl_zero(v));
    });
}

template <class T> void add_copies(FormTable &t, const std::string &type) {
    t["mov." + type] = form<T, T>([](T a) { return a; });
    t["selp." + type] = form<T, T, T, bool>([](T a, T b, bool p) { return p ? a : b; });
    if constexpr (!std::is_same_v<T, bool>) {
        t["slct." + type + ".s32"] = form<T, T, T, int32_t>([](T a, T b, int32_t c) { return c >= 0 ? a : b; });
        t["slct." + type + ".f32"] = form<T, T, T, float>([](T a, T b, float c) { return c >= 0 ? a : b; });
    }
}

inline float flushed(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.f, x) : x; }
inline float saturated(float x) { return x > 0.f ? (x < 1.f ? x : 1.f) : 0.f; }  // NaN becomes 0

// The smaller of -0 and 0 is -0; the smaller of NaN and a number is the number.
template <class T> T smaller(T a, T b) { return a != a ? b : b != b ? a : a < b ? a : b < a ? b : std::signbit(a) ? a : b; }
template <class T> T larger(T a, T b) { return a != a ? b : b != b ? a : a > b ? a : b > a ? b : std::signbit(a) ? b : a; }
template <class T> T smaller_or_nan(T a, T b) { return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : smaller(a, b); }
template <class T> T larger_or_nan(T a, T b) { return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : larger(a, b); }

// Op on floats, with .ftz and .sat.
template <class Op, class... S> void add_float(FormTable &t, const std::string &name, Op, bool saturates = false) {
    t[name + ".f32"] = form<float, S...>([](S... s) { return Op{}(s...); });
    t[name + ".ftz.f32"] = form<float, S...>([](S... s) { return flushed(Op{}(flushed(s)...)); });
    if (!saturates) return;
    t[name + ".sat.f32"] = form<float, S...>([](S... s) { return saturated(Op{}(s...)); });
    t[name + ".ftz.sat.f32"] = form<float, S...>([](S... s) { return saturated(flushed(Op{}(flushed(s)...))); });
}

// Op on floats as the same on 16-bit numbers, alone and in pairs. One operation in float, rounded once more, is right for + - * and the like;
// fma goes through double.
template <class H, class Op, class... S> H once(S... s) { return from_float<H>(static_cast<float>(Op{}(s...))); }
template <class P, class H, class Op, class... S> void add_pair(FormTable &t, const std::string &name, Op) {
    t[name] = form<P, std::conditional_t<true, P, S>...>([](std::conditional_t<true, P, S>... s) {
        const uint32_t low = once<H, Op>(static_cast<S>(to_float(H{static_cast<uint16_t>(s.bits)}))...).bits;
        const uint32_t high = once<H, Op>(static_cast<S>(to_float(H{static_cast<uint16_t>(s.bits >> 16)}))...).bits;
        return P{low | high << 16};
    });
}
template <class Op, class... S> void add_halves(FormTable &t, const std::string &name, Op op) {
    t[name + ".f16"] = form<Half, std::conditional_t<true, Half, S>...>(
        [](std::conditional_t<true, Half, S>... s) { return once<Half, Op>(static_cast<S>(to_float(s))...); });
    t[name + ".bf16"] = form<Bfloat, std::conditional_t<true, Bfloat, S>...>(
        [](std::conditional_t<true, Bfloat, S>... s) { return once<Bfloat, Op>(static_cast<S>(to_float(s))...); });
    add_pair<Half2, Half, Op, S...>(t, name + ".f16x2", op);
    add_pair<Bfloat2, Bfloat, Op, S...>(t, name + ".bf16x2", op);
}

template <class Op, class T> void add_comparison(FormTable &t, const std::string &name, const std::string &type, Op) {
    t["setp." + name + "." + type] = form<bool, T, T>([](T a, T b) { return Op{}(a, b); });
}
template <class Op, class H, class P> void add_half_comparison(FormTable &t, const std::string &name, const std::string &type, Op) {
    t["setp." + name + "." + type] = form<bool, H, H>([](H a, H b) { return Op{}(to_float(a), to_float(b)); });
    // A comparison of pairs sets two predicates; decode.cpp asks for them one by one.
    t["setp.low." + name + "." + type + "x2"] =
        form<bool, P, P>([](P a, P b) { return Op{}(to_float(H{static_cast<uint16_t>(a.bits)}), to_float(H{static_cast<uint16_t>(b.bits)})); });
    t["setp.high." + name + "." + type + "x2"] = form<bool, P, P>(
        [](P a, P b) { return Op{}(to_float(H{static_cast<uint16_t>(a.bits >> 16)}), to_float(H{static_cast<uint16_t>(b.bits >> 16)})); });
}
template <class Op> void add_comparisons(FormTable &t, const std::string &name, Op op, bool of_floats_only = false) {
    add_comparison<Op, float>(t, name, "f32", op);
    add_comparison<Op, double>(t, name, "f64", op);
    add_half_comparison<Op, Half, Half2>(t, name, "f16", op);
    add_half_comparison<Op, Bfloat, Bfloat2>(t, name, "bf16", op);
    if (of_floats_only) return;
    add_comparison<Op, int16_t>(t, name, "s16", op);
    add_comparison<Op, int32_t>(t, name, "s32", op);
    add_comparison<Op, int64_t>(t, name, "s64", op);
    for (const char *kind : {"u", "b"}) {
        add_comparison<Op, uint16_t>(t, name, kind + std::string("16"), op);
        add_comparison<Op, uint32_t>(t, name, kind + std::string("32"), op);
        add_comparison<Op, uint64_t>(t, name, kind + std::string("64"), op);
    }
}
template <class Op> void add_unsigned_comparisons(FormTable &t, const std::string &name, Op op) {  // lo, ls, hi, hs
    add_comparison<Op, uint16_t>(t, name, "u16", op);
    add_comparison<Op, uint32_t>(t, name, "u32", op);
    add_comparison<Op, uint64_t>(t, name, "u64", op);
}

uint32_t permuted(uint32_t a, uint32_t b, uint32_t selector) {
    const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
    uint32_t r = 0;
    for (int i = 0; i < 4; i++) {
        const uint32_t nibble = selector >> 4 * i;
        uint32_t byte = bytes >> 8 * (nibble & 7) & 255;
        if (nibble & 8) byte = byte & 128 ? 255 : 0;
        r |= byte << 8 * i;
    }
    return r;
}

void add_permutations(FormTable &t) {
    t["prmt.b32"] = form<uint32_t, uint32_t, uint32_t, uint32_t>([](uint32_t a, uint32_t b, uint32_t c) { return permuted(a, b, c); });
    t["lop3.b32"] = form<uint32_t, uint32_t, uint32_t, uint32_t, uint32_t>([](uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
        uint32_t r = 0;
        for (int i = 0; i < 8; i++) {
            r |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c) & -(table >> i & 1);
        }
        return r;
    });
    t["shf.l.wrap.b32"] = form<uint32_t, uint32_t, uint32_t, uint32_t>(
        [](uint32_t a, uint32_t b, uint32_t c) { return static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) << (c & 31) >> 32); });
    t["shf.l.clamp.b32"] = form<uint32_t, uint32_t, uint32_t, uint32_t>(
        [](uint32_t a, uint32_t b, uint32_t c) { return c >= 32 ? a : static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) << c >> 32); });
    t["shf.r.wrap.b32"] = form<uint32_t, uint32_t, uint32_t, uint32_t>(
        [](uint32_t a, uint32_t b, uint32_t c) { return static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) >> (c & 31)); });
    t["shf.r.clamp.b32"] = form<uint32_t, uint32_t, uint32_t, uint32_t>(
        [](uint32_t a, uint32_t b, uint32_t c) { return c >= 32 ? b : static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) >> c); });
    t["mul24.lo.u32"] = form<uint32_t, uint32_t, uint32_t>([](uint32_t a, uint32_t b) { return (a & 0xffffff) * (b & 0xffffff); });
    t["mul24.lo.s32"] = form<int32_t, int32_t, int32_t>([](int32_t a, int32_t b) {
        const auto low = [](int32_t x) { return static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(x) << 8) >> 8); };
        return static_cast<int32_t>(low(a) * low(b));
    });
    t["dp4a.u32.u32"] = form<uint32_t, uint32_t, uint32_t, uint32_t>([](uint32_t a, uint32_t b, uint32_t c) {
        for (int i = 0; i < 32; i += 8) c += (a >> i & 255) * (b >> i & 255);
        return c;
    });
    t["dp4a.s32.s32"] = form<int32_t, uint32_t, uint32_t, int32_t>([](uint32_t a, uint32_t b, int32_t c) {
        uint32_t sum = static_cast<uint32_t>(c);
        for (int i = 0; i < 32; i += 8) sum += static_cast<uint32_t>(static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i));
        return static_cast<int32_t>(sum);
    });
}

void add_reals(FormTable &t) {
    auto add = [](auto a, auto b) { return a + b; };
    auto sub = [](auto a, auto b) { return a - b; };
    auto mul = [](auto a, auto b) { return a * b; };
    auto fused = [](auto a, auto b, auto c) { return std::fma(a, b, c); };
    auto least = [](auto a, auto b) { return smaller(a, b); };
    auto most = [](auto a, auto b) { return larger(a, b); };
    auto least_or_nan = [](auto a, auto b) { return smaller_or_nan(a, b); };
    auto most_or_nan = [](auto a, auto b) { return larger_or_nan(a, b); };
    auto negative = [](auto a) { return -a; };
    auto absolute = [](auto a) { return std::fabs(a); };
    using D = double;
    add_float<decltype(add), float, float>(t, "add", add, true);
    add_float<decltype(sub), float, float>(t, "sub", sub, true);
    add_float<decltype(mul), float, float>(t, "mul", mul, true);
    add_float<decltype(fused), float, float, float>(t, "fma", fused, true);
    add_float<decltype(least), float, float>(t, "min", least);
    add_float<decltype(most), float, float>(t, "max", most);
    t["min.NaN.f32"] = form<float, float, float>(least_or_nan);
    t["max.NaN.f32"] = form<float, float, float>(most_or_nan);
    t["min.ftz.NaN.f32"] = t["min.NaN.f32"];
    t["max.ftz.NaN.f32"] = t["max.NaN.f32"];
    add_float<decltype(negative), float>(t, "neg", negative);
    add_float<decltype(absolute), float>(t, "abs", absolute);
    auto quotient = [](auto a, auto b) { return a / b; };
    auto reciprocal = [](auto a) { return 1 / a; };
    auto root = [](auto a) { return std::sqrt(a); };
    auto reciprocal_root = [](auto a) { return 1 / std::sqrt(a); };
    auto power_of_two = [](auto a) { return std::exp2(a); };
    auto binary_log = [](auto a) { return std::log2(a); };
    auto sine = [](auto a) { return std::sin(a); };
    auto cosine = [](auto a) { return std::cos(a); };
    auto tangent = [](auto a) { return std::tanh(a); };
    add_float<decltype(quotient), float, float>(t, "div", quotient);
    add_float<decltype(reciprocal), float>(t, "rcp", reciprocal);
    add_float<decltype(root), float>(t, "sqrt", root);
    add_float<decltype(reciprocal_root), float>(t, "rsqrt", reciprocal_root);
    add_float<decltype(power_of_two), float>(t, "ex2", power_of_two);
    add_float<decltype(binary_log), float>(t, "lg2", binary_log);
    add_float<decltype(sine), float>(t, "sin", sine);
    add_float<decltype(cosine), float>(t, "cos", cosine);
    add_float<decltype(tangent), float>(t, "tanh", tangent);
    t["add.f64"] = form<D, D, D>(add);
    t["sub.f64"] = form<D, D, D>(sub);
    t["mul.f64"] = form<D, D, D>(mul);
    t["div.f64"] = form<D, D, D>(quotient);
    t["fma.f64"] = form<D, D, D, D>(fused);
    t["min.f64"] = form<D, D, D>(least);
    t["max.f64"] = form<D, D, D>(most);
    t["neg.f64"] = form<D, D>(negative);
    t["abs.f64"] = form<D, D>(absolute);
    t["rcp.f64"] = form<D, D>(reciprocal);
    t["sqrt.f64"] = form<D, D>(root);
    t["rsqrt.f64"] = form<D, D>(reciprocal_root);
    add_halves<decltype(add), float, float>(t, "add", add);
    add_halves<decltype(sub), float, float>(t, "sub", sub);
    add_halves<decltype(mul), float, float>(t, "mul", mul);
    add_halves<decltype(fused), double, double, double>(t, "fma", fused);
    add_halves<decltype(least), float, float>(t, "min", least);
    add_halves<decltype(most), float, float>(t, "max", most);
    add_halves<decltype(least_or_nan), float, float>(t, "min.NaN", least_or_nan);
    add_halves<decltype(most_or_nan), float, float>(t, "max.NaN", most_or_nan);
    add_halves<decltype(negative), float>(t, "neg", negative);
    add_halves<decltype(absolute), float>(t, "abs", absolute);
    add_halves<decltype(power_of_two), float>(t, "ex2", power_of_two);
    add_halves<decltype(tangent), float>(t, "tanh", tangent);
    // PTX: the sign of a on the magnitude of b.
    t["copysign.f32"] = form<float, float, float>([](float a, float b) { return std::copysign(b, a); });
    t["copysign.f64"] = form<D, D, D>([](double a, double b) { return std::copysign(b, a); });
    t["testp.finite.f32"] = form<bool, float>([](float a) { return std::isfinite(a); });
    t["testp.infinite.f32"] = form<bool, float>([](float a) { return std::isinf(a); });
    t["testp.number.f32"] = form<bool, float>([](float a) { return !std::isnan(a); });
    t["testp.notanumber.f32"] = form<bool, float>([](float a) { return std::isnan(a); });
    t["testp.normal.f32"] = form<bool, float>([](float a) { return std::isnormal(a); });
    t["testp.subnormal.f32"] = form<bool, float>([](float a) { return std::fpclassify(a) == FP_SUBNORMAL; });
}

void add_all_comparisons(FormTable &t) {
    add_comparisons(t, "eq", [](auto a, auto b) { return a == b; });
    add_comparisons(t, "lt", [](auto a, auto b) { return a < b; });
    add_comparisons(t, "le", [](auto a, auto b) { return a <= b; });
    add_comparisons(t, "gt", [](auto a, auto b) { return a > b; });
    add_comparisons(t, "ge", [](auto a, auto b) { return a >= b; });
    // An unordered pair is neither equal nor, for PTX's ne, different.
    add_comparisons(t, "ne", [](auto a, auto b) { return a < b || a > b; });
    add_comparisons(
        t, "equ", [](auto a, auto b) { return !(a < b || a > b); }, true);
    add_comparisons(
        t, "neu", [](auto a, auto b) { return a != b; }, true);
    add_comparisons(
        t, "ltu", [](auto a, auto b) { return !(a >= b); }, true);
    add_comparisons(
        t, "leu", [](auto a, auto b) { return !(a > b); }, true);
    add_comparisons(
        t, "gtu", [](auto a, auto b) { return !(a <= b); }, true);
    add_comparisons(
        t, "geu", [](auto a, auto b) { return !(a < b); }, true);
    add_comparisons(
        t, "num", [](auto a, auto b) { return a == a && b == b; }, true);
    add_comparisons(
        t, "nan", [](auto a, auto b) { return a != a || b != b; }, true);
    add_unsigned_comparisons(t, "lo", [](auto a, auto b) { return a < b; });
    add_unsigned_comparisons(t, "ls", [](auto a, auto b) { return a <= b; });
    add_unsigned_comparisons(t, "hi", [](auto a, auto b) { return a > b; });
    add_unsigned_comparisons(t, "hs", [](auto a, auto b) { return a >= b; });
}

FormTable make_table() {
    FormTable t;
    add_integers<uint16_t>(t, "u16");
    add_integers<int16_t>(t, "s16");
    add_integers<uint32_t>(t, "u32");
    add_integers<int32_t>(t, "s32");
    add_integers<uint64_t>(t, "u64");
    add_integers<int64_t>(t, "s64");
    add_bits<bool>(t, "pred");
    add_bits<uint16_t>(t, "b16");
    add_bits<uint32_t>(t, "b32");
    add_bits<uint64_t>(t, "b64");
    add_wide_bits<uint32_t>(t, "b32");
    add_wide_bits<uint64_t>(t, "b64");
    add_bit_field<uint32_t>(t, "u32");
    add_bit_field<int32_t>(t, "s32");
    add_bit_field<uint64_t>(t, "u64");
    add_bit_field<int64_t>(t, "s64");
    add_copies<bool>(t, "pred");
    for (const char *type : {"b16", "u16", "s16", "f16", "bf16"}) add_copies<uint16_t>(t, type);
    for (const char *type : {"b32", "u32", "s32", "f32", "f16x2", "bf16x2"}) add_copies<uint32_t>(t, type);
    for (const char *type : {"b64", "u64", "s64", "f64"}) add_copies<uint64_t>(t, type);
    add_permutations(t);
    add_reals(t);
    add_all_comparisons(t);
    return t;
}

}  // namespace

const FormTable &arithmetic_forms() {
    static const FormTable table = make_table();
    return table;
}

}  // namespace ptxsim

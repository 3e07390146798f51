#include "generator/reference/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune {
namespace {

/// Value of a small float format from its fields: the definition, in double.
double decode(uint16_t bits, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1, exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    const int fraction = bits & ((1 << fraction_bits) - 1);
    const double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * INFINITY;
    if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
    return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

struct Format {
    const char *name;
    int exponent_bits, fraction_bits;
    float (*to_float)(uint16_t);
    uint16_t (*from_float)(float);
};
void PrintTo(const Format &f, std::ostream *out) { *out << f.name; }

class Half : public testing::TestWithParam<Format> {
protected:
    const Format &format() const { return GetParam(); }
    double decoded(uint32_t bits) const { return decode(static_cast<uint16_t>(bits), format().exponent_bits, format().fraction_bits); }
    uint32_t infinity_bits() const { return ((1u << format().exponent_bits) - 1) << format().fraction_bits; }
};

TEST_P(Half, EveryValueIsExactAndComesBack) {
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const float x = format().to_float(static_cast<uint16_t>(bits));
        const double expected = decoded(bits);
        if (std::isnan(expected)) {
            EXPECT_TRUE(std::isnan(x)) << bits;
            const uint16_t back = format().from_float(x);
            EXPECT_TRUE(std::isnan(decoded(back))) << bits;
            EXPECT_EQ(back & 0x8000, static_cast<int>(bits & 0x8000)) << bits;
            continue;
        }
        ASSERT_EQ(x, expected) << bits;
        ASSERT_EQ(std::signbit(x), std::signbit(expected)) << bits;
        ASSERT_EQ(format().from_float(x), bits);
    }
}

TEST_P(Half, RoundsToNearestTiesToEven) {
    // Between each pair of neighbours: the tie, and the floats next to it. The last neighbour is infinity at the distance of the last step.
    for (uint32_t bits = 0; bits < infinity_bits(); bits++) {
        const double low = decoded(bits), high = bits + 1 < infinity_bits() ? decoded(bits + 1) : low + (low - decoded(bits - 1));
        const float tie = static_cast<float>((low + high) / 2);
        ASSERT_TRUE(std::isinf(tie) || static_cast<double>(tie) == (low + high) / 2) << bits;
        const uint16_t even = static_cast<uint16_t>(bits + (bits & 1));
        for (const float sign : {1.0f, -1.0f}) {
            const uint16_t s = sign < 0 ? 0x8000 : 0;
            ASSERT_EQ(format().from_float(sign * tie), s | even) << bits;
            ASSERT_EQ(format().from_float(sign * std::nextafter(tie, 0.0f)), s | bits) << bits;
            const uint16_t above = std::isfinite(tie) ? static_cast<uint16_t>(bits + 1) : even;
            ASSERT_EQ(format().from_float(sign * std::nextafter(tie, INFINITY)), s | above) << bits;
        }
    }
}

TEST_P(Half, InfinityStaysAndLargeBecomesInfinity) {
    EXPECT_EQ(format().from_float(INFINITY), infinity_bits());
    EXPECT_EQ(format().from_float(-INFINITY), 0x8000 | infinity_bits());
    EXPECT_EQ(format().from_float(std::numeric_limits<float>::max()), infinity_bits());
    EXPECT_EQ(format().from_float(std::numeric_limits<float>::denorm_min()), 0);
    EXPECT_EQ(format().from_float(-0.0f), 0x8000);
}

TEST_P(Half, NanStaysNanWhateverItsPayload) {
    for (const uint32_t bits : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u, 0x7f801fffu})
        EXPECT_TRUE(std::isnan(decoded(format().from_float(std::bit_cast<float>(bits))))) << bits;
}

INSTANTIATE_TEST_SUITE_P(Formats, Half,
                         testing::Values(Format{"f16", 5, 10, f16_to_float, float_to_f16}, Format{"bf16", 8, 7, bf16_to_float, float_to_bf16}),
                         [](const auto &info) { return info.param.name; });

#ifdef __FLT16_MAX__
TEST(HalfF16, AgreesWithTheCompilerOnASweepOfAllExponents) {
    for (uint64_t bits = 0; bits < (1ull << 32); bits += 2039) {  // a prime step: about two million floats
        const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
        if (std::isnan(x)) continue;
        ASSERT_EQ(float_to_f16(x), std::bit_cast<uint16_t>(static_cast<_Float16>(x))) << bits;
    }
}
#endif

}  // namespace
}  // namespace attune

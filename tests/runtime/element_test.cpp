/// Halves to float and back, as plain C that becomes vector code, against conversions written from IEEE 754.
#include "generator/reference/half.h"

extern "C" {
#include "runtime/src/element.h"
}

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <string>
#include <vector>

namespace {

struct HalfCase {
    const char *dtype;
    float (*to_float)(uint16_t);
    uint16_t (*from_float)(float);
};
class Halves : public testing::TestWithParam<HalfCase> {
protected:
    const attune_element &element = *attune_find_element(GetParam().dtype);
};
INSTANTIATE_TEST_SUITE_P(Element, Halves,
                         testing::Values(HalfCase{"f16", attune::f16_to_float, attune::float_to_f16},
                                         HalfCase{"bf16", attune::bf16_to_float, attune::float_to_bf16}),
                         [](const auto &info) { return info.param.dtype; });

TEST_P(Halves, EveryPatternIsReadAndComesBack) {
    std::vector<uint16_t> patterns(1 << 16), back(1 << 16);
    std::vector<float> values(1 << 16, -0.0f);
    for (size_t i = 0; i < patterns.size(); i++)
        patterns[i] = uint16_t(i);
    element.add(values.data(), 1, patterns.data(), int64_t(patterns.size()));
    element.store(back.data(), values.data(), int64_t(values.size()));
    for (size_t i = 0; i < patterns.size(); i++) {
        const float want = GetParam().to_float(patterns[i]);
        if (std::isnan(want)) {
            ASSERT_TRUE(std::isnan(values[i])) << i;
            ASSERT_TRUE(std::isnan(GetParam().to_float(back[i]))) << i;
            continue;
        }
        ASSERT_EQ(std::memcmp(&values[i], &want, sizeof want), 0) << i << ": " << values[i] << ", not " << want;
        ASSERT_EQ(back[i], patterns[i]);
    }
}

TEST_P(Halves, FloatsAreRoundedToNearestEven) {
    std::vector<float> floats;
    for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 4099)  // all exponents, both signs, and 2^10 fractions of each
        floats.push_back(std::bit_cast<float>(uint32_t(bits)));
    for (uint32_t half = 0; half < 1 << 16; half++)  // ties, and the floats beside them
        for (int beside = -1; beside <= 1; beside++) {
            const float here = GetParam().to_float(uint16_t(half)), next = GetParam().to_float(uint16_t(half + 1));
            floats.push_back(std::bit_cast<float>(std::bit_cast<uint32_t>(here + (next - here) / 2) + uint32_t(beside)));
        }
    for (float x : {65519.99609375f, 65520.f, 65536.f, std::numeric_limits<float>::max(), INFINITY, 0x1p-24f, 0x1p-25f, 0x1.000002p-25f})
        floats.insert(floats.end(), {x, -x});
    std::vector<uint16_t> found(floats.size());
    element.store(found.data(), floats.data(), int64_t(floats.size()));
    for (size_t i = 0; i < floats.size(); i++) {
        if (std::isnan(floats[i]))
            ASSERT_TRUE(std::isnan(GetParam().to_float(found[i]))) << floats[i];
        else
            ASSERT_EQ(found[i], GetParam().from_float(floats[i])) << floats[i];
    }
}

TEST(Element, UnknownTypesAreNone) {
    EXPECT_EQ(attune_find_element("f64"), nullptr);
    EXPECT_EQ(attune_find_element(""), nullptr);
    EXPECT_EQ(attune_find_element("f32")->bytes, 4);
}

}  // namespace

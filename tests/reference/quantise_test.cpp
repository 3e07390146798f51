#include "generator/reference/quantise.h"
#include "generator/reference/inputs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune {
namespace {

KvCacheSpec format_of(KvDType dtype, bool zero_points) {
    KvCacheSpec format;
    format.dtype = dtype;
    format.zero_points = zero_points;
    return format;
}

/// Element d of the integers, by the text of attune/attention.h.
int integer_at(const QuantisedRow &row, KvDType dtype, int d) {
    if (dtype == KvDType::i8) return static_cast<signed char>(row.bytes[static_cast<size_t>(d)]);
    const int byte = row.bytes[static_cast<size_t>(d / 32 * 16 + d % 16)];
    return d % 32 < 16 ? byte & 15 : byte >> 4;
}

TEST(Quantise, I8ByHand) {
    const std::vector<double> row = {1.27, -0.5, 0.021, -0.004, -1.27, 0};
    const QuantisedRow q = quantise_row(row.data(), 6, format_of(KvDType::i8, false));
    ASSERT_EQ(q.scales.size(), 1u);
    EXPECT_TRUE(q.zeros.empty());
    EXPECT_EQ(q.scales[0], 1.27f / 127);
    const int expected[] = {127, -50, 2, 0, -127, 0};
    for (int d = 0; d < 6; d++) EXPECT_EQ(integer_at(q, KvDType::i8, d), expected[d]) << d;
}

TEST(Quantise, HalvesGoToEven) {
    std::vector<double> row(32, 0.0);
    for (int n = -7; n < 7; n++) row[static_cast<size_t>(n + 7)] = n + 0.5;
    row[31] = 7;  // a scale of 1
    const QuantisedRow q = quantise_row(row.data(), 32, format_of(KvDType::i4, false));
    EXPECT_EQ(q.scales[0], 1.0f);
    const int expected[] = {-6, -6, -4, -4, -2, -2, 0, 0, 2, 2, 4, 4, 6, 6};
    for (int d = 0; d < 14; d++) EXPECT_EQ(integer_at(q, KvDType::i4, d) - 8, expected[d]) << row[static_cast<size_t>(d)];
}

TEST(Quantise, I4Packing) {
    std::vector<double> row(64);
    for (int d = 0; d < 64; d++) row[static_cast<size_t>(d)] = d % 15 - 7;
    const QuantisedRow q = quantise_row(row.data(), 64, format_of(KvDType::i4, false));
    ASSERT_EQ(q.bytes.size(), 32u);
    ASSERT_EQ(q.scales, (std::vector<float>{1, 1}));
    for (int group = 0; group < 2; group++)
        for (int j = 0; j < 16; j++) {
            const int byte = q.bytes[static_cast<size_t>(16 * group + j)], low = 32 * group + j, high = low + 16;
            EXPECT_EQ((byte & 15) - 8, row[static_cast<size_t>(low)]);
            EXPECT_EQ((byte >> 4) - 8, row[static_cast<size_t>(high)]);
        }
    EXPECT_EQ(q.values, row);
}

TEST(Quantise, ZeroPointsReachBothEnds) {
    std::vector<double> row(32, 0.0);
    row[3] = -1, row[5] = 4;
    const QuantisedRow i8 = quantise_row(row.data(), 32, format_of(KvDType::i8, true)), i4 = quantise_row(row.data(), 32, format_of(KvDType::i4, true));
    EXPECT_EQ(i8.scales[0], 5.0f / 255);
    EXPECT_EQ(i8.zeros[0], -128 + 1 / (5.0f / 255));
    EXPECT_EQ(integer_at(i8, KvDType::i8, 3), -128);
    EXPECT_EQ(integer_at(i8, KvDType::i8, 5), 127);
    EXPECT_EQ(i4.scales[0], 5.0f / 15);
    EXPECT_EQ(i4.zeros[0], 1 / (5.0f / 15));
    EXPECT_EQ(integer_at(i4, KvDType::i4, 3), 0);
    EXPECT_EQ(integer_at(i4, KvDType::i4, 5), 15);

    for (double &x : row) x = std::abs(x) + 2;  // the range holds 0 all the same
    EXPECT_EQ(quantise_row(row.data(), 32, format_of(KvDType::i8, true)).zeros[0], -128.0f);
}

TEST(Quantise, ValuesAreWhatTheIntegersStandForAndNear) {
    NormalGenerator normal(3);
    for (KvDType dtype : {KvDType::i8, KvDType::i4})
        for (bool zero_points : {false, true})
            for (double factor : {1e-30, 1.0, 5e4}) {
                std::vector<double> row(96);
                for (double &x : row) x = round_to(DType::f32, factor * normal());
                const QuantisedRow q = quantise_row(row.data(), 96, format_of(dtype, zero_points));
                for (int d = 0; d < 96; d++) {
                    const size_t group = dtype == KvDType::i4 ? static_cast<size_t>(d / 32) : 0;
                    const double scale = q.scales[group], zero = zero_points ? q.zeros[group] : dtype == KvDType::i4 ? 8 : 0;
                    EXPECT_EQ(q.values[static_cast<size_t>(d)], scale * (integer_at(q, dtype, d) - zero));
                    EXPECT_LE(std::abs(q.values[static_cast<size_t>(d)] - row[static_cast<size_t>(d)]), 0.50001 * scale);
                }
            }
}

TEST(Quantise, RowsOfZerosAndOfWhatIsNoNumber) {
    std::vector<double> row(32, 0.0);
    for (KvDType dtype : {KvDType::i8, KvDType::i4})
        for (bool zero_points : {false, true}) {
            for (double tiny : {0.0, 1e-40}) {
                row[7] = tiny;
                const QuantisedRow q = quantise_row(row.data(), 32, format_of(dtype, zero_points));
                EXPECT_EQ(q.scales[0], 0.0f);
                EXPECT_EQ(q.zeros, zero_points ? std::vector<float>{dtype == KvDType::i4 ? 8.0f : 0.0f} : std::vector<float>{});
                EXPECT_EQ(q.values, std::vector<double>(32, 0.0));
                EXPECT_EQ(integer_at(q, dtype, 7), dtype == KvDType::i4 ? 8 : 0);
            }
            row[7] = std::numeric_limits<double>::infinity();
            for (double x : quantise_row(row.data(), 32, format_of(dtype, zero_points)).values) EXPECT_TRUE(std::isnan(x));
        }
}

}  // namespace
}  // namespace attune

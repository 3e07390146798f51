#include "weight_matrix.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace {

void put_half(std::vector<std::byte> &data, float value) {
    const auto half = static_cast<_Float16>(value);
    data.resize(data.size() + 2);
    std::memcpy(data.data() + data.size() - 2, &half, 2);
}

// Element i of block b is b + 1 times q(i), plus -b for q4_1, with q(i) = i / 2 or i - 16.
WeightMatrix matrix_of(WeightType type, int64_t rows, int64_t columns, std::vector<std::byte> &data) {
    for (int64_t b = 0; b < rows * columns / 32; ++b) {
        put_half(data, static_cast<float>(b + 1));
        if (type == WeightType::q4_1) {
            put_half(data, static_cast<float>(-b));
            for (int i = 0; i < 16; ++i)
                data.push_back(std::byte(i / 2 | (i + 16) / 2 << 4));
        } else {
            for (int i = 0; i < 32; ++i)
                data.push_back(std::byte(i - 16));
        }
    }
    return {type, rows, columns, data.data()};
}
float element_of(WeightType type, int64_t columns, int64_t row, int64_t column) {
    const auto b = static_cast<float>((row * columns + column) / 32);
    const auto i = static_cast<int>(column % 32);
    return type == WeightType::q4_1 ? (b + 1) * static_cast<float>(i / 2) - b : (b + 1) * static_cast<float>(i - 16);
}

class QuantisedWeights : public testing::TestWithParam<WeightType> {};

TEST_P(QuantisedWeights, are_what_the_format_says) {
    std::vector<std::byte> data;
    const WeightMatrix w = matrix_of(GetParam(), 3, 64, data);
    for (int64_t row = 0; row < 3; ++row) {
        float x[64];
        unpack_row(w, row, x);
        for (int64_t i = 0; i < 64; ++i)
            EXPECT_EQ(x[i], element_of(GetParam(), 64, row, i)) << row << ", " << i;
    }
}

// 70 rows: two whole panels and a part of one. One column is a product of its own in Eigen.
TEST_P(QuantisedWeights, multiply_one_and_several_columns_with_the_same_bits_on_any_threads) {
    std::vector<std::byte> data;
    const WeightMatrix w = matrix_of(GetParam(), 70, 32, data);
    for (int64_t tokens : {1, 2, 37}) {
        Matrix x(32, tokens);
        for (int64_t i = 0; i < x.size(); ++i)
            x.data()[i] = static_cast<float>(i % 7 - 3);
        const Matrix y = multiply(w, x, 1);
        for (int64_t row = 0; row < 70; ++row)
            for (int64_t t = 0; t < tokens; ++t) {
                double sum = 0;
                for (int64_t i = 0; i < 32; ++i)
                    sum += static_cast<double>(element_of(GetParam(), 32, row, i)) * x(i, t);
                EXPECT_FLOAT_EQ(y(row, t), static_cast<float>(sum)) << row << ", " << t;  // integers: exact
            }
        EXPECT_EQ(y, multiply(w, x, 3));
    }
}

INSTANTIATE_TEST_SUITE_P(Types, QuantisedWeights, testing::Values(WeightType::q4_1, WeightType::q8_0),
                         [](const auto &info) { return info.param == WeightType::q4_1 ? "q4_1" : "q8_0"; });

}  // namespace

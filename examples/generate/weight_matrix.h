#pragma once
#include <Eigen/Core>

#include <cstddef>
#include <cstdint>

/// Activations: a column a token.
using Matrix = Eigen::MatrixXf;

/// How weights are stored, as GGUF numbers it. Quantised ones are blocks of 32 elements of a row that share a scale:
///   q4_1: x(i) = d * q(i) + m    {f16 d, f16 m, u8 q[16]}: q(i) in the low half of byte i, q(i + 16) in its high half
///   q8_0: x(i) = d * q(i)        {f16 d, i8 q[32]}
enum class WeightType : uint32_t { f32 = 0, q4_1 = 3, q8_0 = 8 };

struct BlockFormat {
    int64_t elements;
    std::size_t bytes;
};
/// Null where the type is none of the three.
const BlockFormat *block_format(WeightType type);

/// Weights as the file has them: 135 million take 98 MB, which a token reads once, instead of 540 MB as floats.
struct WeightMatrix {
    WeightType type = WeightType::f32;
    int64_t rows = 0, columns = 0;
    const std::byte *data = nullptr;  ///< row by row
};

/// x(i) = w(row, i)
void unpack_row(const WeightMatrix &w, int64_t row, float *x);

/// y = w x. The same bits for any number of threads.
Matrix multiply(const WeightMatrix &w, const Matrix &x, int threads);

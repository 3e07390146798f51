#include "weight_matrix.h"

#include <algorithm>
#include <cstring>

namespace {

constexpr BlockFormat f32_format{1, 4}, q4_1_format{32, 20}, q8_0_format{32, 34};

float half_at(const std::byte *data) {
    _Float16 value;
    std::memcpy(&value, data, sizeof value);
    return static_cast<float>(value);
}

// Bytes may alias anything: __restrict says that they are not x. GCC 12 unrolls a loop of 16 before it looks for vectors, and then finds
// none: 1.3 instead of 4.8 elements a nanosecond (avx2).
void unpack_q4_1(const std::byte *__restrict block, float *__restrict x) {
    const float scale = half_at(block), offset = half_at(block + 2);
    const auto *q = reinterpret_cast<const uint8_t *>(block + 4);
#pragma GCC unroll 1
    for (int i = 0; i < 16; ++i) {
        const int both = q[i];
        x[i] = scale * static_cast<float>(both & 15) + offset;
        x[i + 16] = scale * static_cast<float>(both >> 4) + offset;
    }
}

void unpack_q8_0(const std::byte *__restrict block, float *__restrict x) {
    const float scale = half_at(block);
    const auto *q = reinterpret_cast<const int8_t *>(block + 2);
    for (int i = 0; i < 32; ++i)
        x[i] = scale * static_cast<float>(q[i]);
}

}  // namespace

const BlockFormat *block_format(WeightType type) {
    switch (type) {
    case WeightType::f32:
        return &f32_format;
    case WeightType::q4_1:
        return &q4_1_format;
    case WeightType::q8_0:
        return &q8_0_format;
    }
    return nullptr;
}

void unpack_row(const WeightMatrix &w, int64_t row, float *x) {
    const BlockFormat format = *block_format(w.type);
    const int64_t blocks = w.columns / format.elements;
    const std::byte *block = w.data + row * blocks * static_cast<int64_t>(format.bytes);
    switch (w.type) {
    case WeightType::f32:
        std::memcpy(x, block, w.columns * sizeof *x);
        break;
    case WeightType::q4_1:
        for (int64_t b = 0; b < blocks; ++b, block += format.bytes, x += format.elements)
            unpack_q4_1(block, x);
        break;
    case WeightType::q8_0:
        for (int64_t b = 0; b < blocks; ++b, block += format.bytes, x += format.elements)
            unpack_q8_0(block, x);
        break;
    }
}

Matrix multiply(const WeightMatrix &w, const Matrix &x, int threads) {
    // Rows that are unpacked at a time. 32 rows of 576 to 1536 floats are 74 to 197 kB and stay in L2; a prompt's columns are packed
    // anew for each panel, 1/32 of the work.
    constexpr int64_t panel_rows = 32;
    Matrix y(w.rows, x.cols());
#pragma omp parallel num_threads(threads)
    {
        Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> panel(std::min(panel_rows, w.rows), w.columns);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < w.rows; first += panel_rows) {
            const int64_t rows = std::min(panel_rows, w.rows - first);
            for (int64_t r = 0; r < rows; ++r)
                unpack_row(w, first + r, panel.row(r).data());
            y.middleRows(first, rows).noalias() = panel.topRows(rows) * x;
        }
    }
    return y;
}

/// Rows of a kernel's element type between guards, and the call of a loaded projection.
#pragma once
#include "attune/layer.hpp"
#include "generator/backend/projection_kernel.h"
#include "generator/reference/half.h"
#include "generator/reference/inputs.h"
#include "generator/reference/layer.h"
#include "tests/support/guarded_array.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <memory>

namespace attune::test {

inline uint32_t bits_of(DType dtype, double x) {
    const float f = static_cast<float>(x);
    return dtype == DType::f32 ? std::bit_cast<uint32_t>(f) : dtype == DType::f16 ? float_to_f16(f) : float_to_bf16(f);
}
inline double number_of(DType dtype, uint32_t bits) {
    return dtype == DType::f32   ? std::bit_cast<float>(bits)
           : dtype == DType::f16 ? f16_to_float(static_cast<uint16_t>(bits))
                                 : bf16_to_float(static_cast<uint16_t>(bits));
}

/// `count` numbers of N(0, 1) times `scale`, rounded to the type.
inline std::vector<double> random_numbers(DType dtype, int64_t count, uint64_t seed, double scale = 1) {
    NormalGenerator normal(seed);
    std::vector<double> numbers(static_cast<size_t>(count));
    for (double &x : numbers) x = round_to(dtype, normal() * scale);
    return numbers;
}

/// Numbers as the kernel's elements, in rows `stride` apart, what is between them NaN.
class Rows {
public:
    Rows(DType dtype, const std::vector<double> &numbers, int64_t columns, int64_t stride)
        : dtype_(dtype), count_(static_cast<int64_t>(numbers.size()) / columns * stride), array_(std::max<int64_t>(count_, 1), dtype_bytes(dtype), bits_of(dtype, NAN)) {
        for (size_t i = 0; i < numbers.size(); i++)
            array_.set(static_cast<int64_t>(i) / columns * stride + static_cast<int64_t>(i) % columns, bits_of(dtype, numbers[i]));
    }
    OutputSpan elements() { return {array_.at(0), static_cast<size_t>(count_), static_cast<size_t>(dtype_bytes(dtype_))}; }
    double at(int64_t i) const { return number_of(dtype_, array_.get(i)); }
    uint32_t bits(int64_t i) const { return array_.get(i); }
    bool guards_hold() const { return array_.guards_hold(); }

private:
    DType dtype_;
    int64_t count_;
    GuardedArray array_;
};

inline void expect_ok(const Status &status) { EXPECT_TRUE(status) << status.message(); }

struct FreeMemory {
    void operator()(void *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, FreeMemory>;
inline Memory aligned_memory(size_t bytes) { return Memory(std::aligned_alloc(64, (bytes + 63) / 64 * 64 + 64)); }

/// Largest |got - expected| as a share of the bound.
inline double largest_share(const Bounded &expected, const std::function<double(size_t)> &got) {
    double worst = 0;
    for (size_t i = 0; i < expected.value.size(); i++) {
        const double error = std::abs(got(i) - expected.value[i]);
        worst = std::max(worst, std::isnan(error) ? INFINITY : error / expected.error[i]);
    }
    return worst;
}

}  // namespace attune::test

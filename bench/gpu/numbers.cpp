#include "bench/gpu/numbers.h"

#include "generator/reference/half.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

namespace attune::gpu_bench {
namespace {

template <class T>
T at(const std::vector<char> &array, int64_t index) {
    T x;
    std::memcpy(&x, array.data() + index * static_cast<int64_t>(sizeof x), sizeof x);
    return x;
}

}  // namespace

int element_bytes(const std::string &dtype) {
    return dtype == "f32" ? 4 : 2;
}

std::vector<char> random_array(const std::string &dtype, int64_t elements, uint64_t seed) {
    // One period of 2^20 numbers: as random to a kernel, and made in an instant.
    constexpr int64_t period = int64_t(1) << 20;
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> normal;
    const int bytes = element_bytes(dtype);
    std::vector<char> array(static_cast<size_t>(elements * bytes));
    for (int64_t i = 0; i < std::min(elements, period); i++) {
        const float x = normal(engine);
        const uint32_t bits = dtype == "f32" ? std::bit_cast<uint32_t>(x) : dtype == "f16" ? float_to_f16(x) : float_to_bf16(x);
        std::memcpy(array.data() + i * bytes, &bits, static_cast<size_t>(bytes));
    }
    for (int64_t i = period; i < elements; i += period)
        std::memcpy(array.data() + i * bytes, array.data(), static_cast<size_t>(std::min(period, elements - i) * bytes));
    return array;
}

double element(const std::string &dtype, const std::vector<char> &array, int64_t index) {
    if (dtype == "f32")
        return at<float>(array, index);
    const uint16_t bits = at<uint16_t>(array, index);
    return dtype == "f16" ? f16_to_float(bits) : bf16_to_float(bits);
}

double unit_roundoff(const std::string &dtype) {
    return dtype == "f32" ? 0x1p-24 : dtype == "f16" ? 0x1p-11 : 0x1p-8;
}

}  // namespace attune::gpu_bench

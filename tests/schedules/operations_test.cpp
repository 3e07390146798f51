/// Each marked operation against its twin in plain Halide: on the machine's own instructions where it has them, else emulated.
#include "generator/algorithm/attention.h"
#include "generator/backend/code_generator.h"
#include "generator/reference/half.h"
#include "tests/support/halide_function.h"
#include "tests/support/kernel_case.h"

#include <bit>
#include <cmath>
#include <random>

namespace attune::test {

namespace {

using Halide::cast;
using Halide::Expr;
using Halide::Float;
using Halide::Func;
using Halide::ImageParam;
using Halide::Var;

/// result(i) of n elements, through the back end for the target whose operations these are.
class Operations : public testing::Test {
protected:
    /// The best target with the operation that this CPU runs, else the last one, emulated.
    const CpuTarget *target_with(bool MachineOperations::*operation) {
        const CpuTarget *found = nullptr;
        for (const CpuTarget &target : cpu_targets())
            if (has_llvm_backend() && available_target("avx2") && target.machine.*operation && !(found && available_target(found->name)))
                found = &target;
        return found;
    }
    static constexpr int n = 4096 + 16;
    Var i{"i"}, block{"block"}, lane{"lane"};
    std::mt19937 random{7};
};

TEST_F(Operations, Exp2IsTwoToTheX) {
    const CpuTarget *target = target_with(&MachineOperations::exp2);
    if (!target) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    ImageParam x(Float(32), 1, "x");
    std::vector<float> values = {0, -0.0f, 1, -1, 0.5f, -0.5f, 127, -126, -126.4f, 1e-30f, -149, -1000, -1e30f, -INFINITY, 128.5f, INFINITY};
    std::uniform_real_distribution<float> uniform(-126, 127), small(-1, 1);
    while (values.size() < n) values.push_back(values.size() % 2 ? uniform(random) : small(random));
    for (const auto &[precision, tolerance] : {std::pair(WeightPrecision::f32, 2.5e-7), {WeightPrecision::half, 7.7e-5}}) {
        Func f("f");
        f(i) = exp2(target->machine, x(i), precision);
        f.vectorize(i, 16);
        const std::vector<float> got = run_function<float>(f, {x}, {values}, *target);
        for (size_t k = 0; k < values.size(); k++) {
            const double expected = std::exp2(double(values[k]));
            if (values[k] < -126) {
                EXPECT_LE(got[k], 0x1p-126) << values[k];
            } else if (values[k] > 128) {
                EXPECT_GE(got[k], 0x1p127) << values[k];
            } else {
                EXPECT_NEAR(got[k] / expected, 1, tolerance) << values[k];
            }
        }
    }
    Func f("f");
    f(i) = exp2(target->machine, x(i));
    f.vectorize(i, 16);
    for (float y : run_function<float>(f, {x}, {std::vector<float>(n, NAN)}, *target)) EXPECT_TRUE(std::isnan(y));
}

TEST_F(Operations, DotOfBf16IsItsTwin) {
    const CpuTarget *target = target_with(&MachineOperations::dot_bf16);
    if (!target) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    ImageParam accumulator(Float(32), 1, "accumulator"), a(Float(32), 1, "a"), b(Float(32), 1, "b");
    std::normal_distribution<float> normal;
    std::vector<float> start(n), first(2 * n), second(2 * n);
    for (float &x : start) x = normal(random);
    for (auto *values : {&first, &second})
        for (float &x : *values) x = bf16_to_float(float_to_bf16(normal(random)));
    auto build = [&](const MachineOperations &machine) {
        Func f("f");
        auto pair = [&](const ImageParam &p) { return rounded_pair_of_bf16({}, p(2 * i), p(2 * i + 1)); };
        f(i) = dot_bf16(machine, accumulator(i), pair(a), pair(b));
        f.vectorize(i, 16);
        return f;
    };
    Func marked = build(target->machine), twin = build({});
    const std::vector<std::vector<float>> arrays = {start, first, second};
    const auto got = run_function<float>(marked, {accumulator, a, b}, arrays, *target);
    const auto expected = run_function<float>(twin, {accumulator, a, b}, arrays, *target);
    for (int k = 0; k < n; k++) {
        const size_t at = 2 * static_cast<size_t>(k);
        const double exact = double(start[k]) + double(first[at]) * second[at] + double(first[at + 1]) * second[at + 1];
        const double magnitude = std::abs(start[k]) + std::abs(first[at] * second[at]) + std::abs(first[at + 1] * second[at + 1]);
        EXPECT_NEAR(got[k], exact, 2 * 0x1p-24 * magnitude);
        EXPECT_NEAR(expected[k], exact, 2 * 0x1p-24 * magnitude);
    }
}

TEST_F(Operations, HalfFmaIsItsTwin) {
    const CpuTarget *target = target_with(&MachineOperations::fma_f16);
    if (!target) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    ImageParam accumulator(Float(32), 1, "accumulator"), a(Float(32), 1, "a"), b(Float(32), 1, "b");
    std::normal_distribution<float> normal;
    std::vector<std::vector<float>> arrays(3, std::vector<float>(n));
    for (auto &values : arrays)
        for (float &x : values) x = f16_to_float(float_to_f16(normal(random)));
    // A factor for all lanes is a broadcast, one for each is not.
    for (const bool is_broadcast : {true, false}) {
        auto build = [&](const MachineOperations &machine) {
            Func f("f");
            f(i) = fma_f16(machine, half_of(accumulator(i)), half_of(a(i)), half_twice(half_of(b(is_broadcast ? i / 32 * 32 : Expr(i)))));
            f.split(i, block, lane, 32).vectorize(lane);
            return f;
        };
        const auto got = run_function<uint16_t>(build(target->machine), {accumulator, a, b}, arrays, *target, n);
        const auto twin = run_function<uint16_t>(build({}), {accumulator, a, b}, arrays, *target, n);
        for (size_t k = 0; k < n; k++) {
            const double exact = double(arrays[0][k]) + double(arrays[1][k]) * arrays[2][is_broadcast ? k / 32 * 32 : k];
            for (const uint16_t result : {got[k], twin[k]}) EXPECT_NEAR(f16_to_float(result), exact, 0x1.01p-11 * std::abs(exact) + 0x1p-25);
        }
    }
}

TEST_F(Operations, Exp2OfHalvesIsTwoToTheX) {
    const CpuTarget *target = target_with(&MachineOperations::fma_f16);
    if (!target) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    ImageParam x(Float(32), 1, "x");
    std::vector<float> values = {0, -0.0f, 1, -1, 0.5f, -0.5f, 15, -14, -24, -30, -1000, 15.5f};
    std::uniform_real_distribution<float> uniform(-26, 15.5f);
    while (values.size() < n) values.push_back(f16_to_float(float_to_f16(uniform(random))));
    for (const MachineOperations &machine : {target->machine, MachineOperations{}}) {
        auto results = [&](const std::vector<float> &inputs) {
            Func f("f");
            f(i) = exp2_f16(machine, half_of(x(i)));
            f.vectorize(i, 32);
            return run_function<uint16_t>(f, {x}, {inputs}, *target, n);
        };
        const std::vector<uint16_t> got = results(values);
        for (size_t k = 0; k < n; k++) {
            const double expected = std::exp2(double(values[k]));
            EXPECT_NEAR(f16_to_float(got[k]), expected, 1.5e-3 * expected + 0x1p-24) << values[k];
        }
        for (const uint16_t y : results(std::vector<float>(n, 17))) EXPECT_TRUE(std::isinf(f16_to_float(y)));
        for (const uint16_t y : results(std::vector<float>(n, NAN))) EXPECT_FALSE(std::isfinite(f16_to_float(y)));
    }
}

TEST_F(Operations, DotOfI8IsItsTwin) {
    const CpuTarget *target = target_with(&MachineOperations::dot_i8);
    if (!target) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    ImageParam accumulator(Float(32), 1, "accumulator"), a(Float(32), 1, "a"), b(Float(32), 1, "b");
    std::uniform_int_distribution<int> sums(-100000, 100000), is_signed(-128, 127), is_unsigned(0, 255);
    std::vector<float> start(n), first(4 * n), second(4 * n);
    for (float &x : start) x = static_cast<float>(sums(random));
    for (float &x : first) x = static_cast<float>(is_signed(random));
    for (float &x : second) x = static_cast<float>(is_unsigned(random));
    for (const MachineOperations &machine : {target->machine, MachineOperations{}}) {
        auto quad = [&](const ImageParam &p) {
            auto element = [&](int j) { return cast<int>(p(4 * i + j)); };
            return quad_of_i8({element(0), element(1), element(2), element(3)});
        };
        Func f("f");
        f(i) = dot_i8(machine, cast<int>(accumulator(i)), quad(a), quad(b));
        f.vectorize(i, 16);
        const auto got = run_function<int32_t>(f, {accumulator, a, b}, {start, first, second}, *target, n);
        for (size_t k = 0; k < n; k++) {
            double exact = start[k];
            for (size_t j = 4 * k; j < 4 * k + 4; j++) exact += double(first[j]) * second[j];
            ASSERT_EQ(got[k], exact) << (machine.dot_i8 ? "marked" : "twin") << " " << k;
        }
    }
}

TEST_F(Operations, HalvesOfBytesAreBf16) {
    const CpuTarget *target = target_with(&MachineOperations::dot_bf16);
    if (!target) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    ImageParam x(Float(32), 1, "x");
    std::vector<float> values(n);
    for (size_t k = 0; k < n; k++) values[k] = static_cast<float>(k % 4096);  // the upper bits are others'
    for (const MachineOperations &machine : {target->machine, MachineOperations{}}) {
        Func f("f");
        f(i) = bf16_of_nibble(machine, cast<uint16_t>(cast<int>(x(i))));
        f.split(i, block, lane, 32).vectorize(lane);
        const auto got = run_function<uint16_t>(f, {x}, {values}, *target, n);
        for (size_t k = 0; k < n; k++) ASSERT_EQ(bf16_to_float(got[k]), static_cast<float>(k % 16) - 8) << k;
    }
}

TEST_F(Operations, PairsAreRoundedToTheNearest) {
    const CpuTarget *with_units = target_with(&MachineOperations::dot_bf16);
    ImageParam x(Float(32), 1, "x");
    std::normal_distribution<float> normal;
    std::vector<float> values(2 * n);
    for (float &v : values) v = normal(random);
    for (const CpuTarget *target : {with_units, available_targets().front()}) {
        if (!target) continue;  // no back end, or a CPU without AVX2
        Func f("f");
        f(i) = rounded_pair_of_bf16(target == with_units ? target->machine : MachineOperations{}, x(2 * i), x(2 * i + 1));
        f.vectorize(i, 16);
        const auto got = run_function<uint32_t>(f, {x}, {values}, *target, n);
        for (size_t k = 0; k < got.size(); k++)
            for (int part : {0, 1}) {
                const float value = values[2 * k + part], rounded = bf16_to_float(static_cast<uint16_t>(got[k] >> (16 * part)));
                EXPECT_LE(std::abs(rounded - value), std::ldexp(1.0f, std::ilogb(value) - 8)) << value;
            }
    }
}

TEST_F(Operations, Bf16OfIsTheNearestAndANanStaysOne) {
    const CpuTarget *target = target_with(&MachineOperations::dot_bf16);
    if (!target) GTEST_SKIP() << "no back end, or a CPU without AVX2";
    ImageParam x(Float(32), 1, "x");
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float &v : values) v = normal(random);
    values[3] = NAN;
    values[5] = std::bit_cast<float>(0x7f800001u);  // whose upper half alone would be an infinity
    values[7] = INFINITY;
    values[9] = -3e38f;
    Func f("f");
    f(i) = bf16_of(target->machine, x(i));
    f.vectorize(i, 16);
    const auto got = run_function<uint16_t>(f, {x}, {values}, *target, n);
    for (size_t k = 0; k < got.size(); k++) {
        if (std::isnan(values[k])) EXPECT_TRUE(std::isnan(bf16_to_float(got[k])));
        else EXPECT_EQ(got[k], float_to_bf16(values[k])) << values[k];
    }
}

}  // namespace
}  // namespace attune::test

/// What depends on the architecture of measuring a machine: loops that keep one unit busy.
#include "generator/cli/peak_loops.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#define ATTUNE_IN_VECTOR(x) "+v"(x)
#elif defined(__aarch64__)
#include <arm_neon.h>
#define ATTUNE_IN_VECTOR(x) "+w"(x)
#endif

namespace attune::cli {
namespace {

// Factor and term are read through volatile, so that nothing folds; 1 and 0 keep the values normal for ever.
volatile float peak_factor = 1, peak_term = 0;
constexpr int peak_rounds = 20000;

/// A function that returns the FLOPs it did, `flops` a lane and step. Independent chains hide the latency: 4 cycles x 2 units = 8 chains are
/// enough on today's cores; registers hold more. `a` and `b` are the factor and the term, `x` a chain.
#define ATTUNE_PEAK_LOOP(name, features, chains, Register, Factor, broadcast, step, flops)                                                 \
    __attribute__((target(features), noinline)) double name() {                                                                            \
        const Factor a = broadcast(peak_factor), b = broadcast(peak_term);                                                                 \
        Register acc[chains] = {};                                                                                                         \
        for (int round = 0; round < peak_rounds; round++) {                                                                                \
            _Pragma("GCC unroll 32") for (Register & x : acc) {                                                                            \
                x = step;                                                                                                                  \
                asm volatile("" : ATTUNE_IN_VECTOR(x));                                                                                              \
            }                                                                                                                              \
        }                                                                                                                                  \
        return double(flops) * chains * peak_rounds;                                                                                       \
    }

#define ATTUNE_READ_LOOP(name, features, width)                                                                                            \
    __attribute__((target(features), noinline)) uint64_t name(const void *memory, size_t bytes) {                                          \
        using Register = uint64_t __attribute__((vector_size(width)));                                                                     \
        const auto *p = static_cast<const Register *>(memory);                                                                             \
        Register sums[8] = {};                                                                                                             \
        for (size_t i = 0; i < bytes / width; i += 8) {                                                                                    \
            _Pragma("GCC unroll 8") for (int j = 0; j < 8; j++) sums[j] += p[i + j];                                                       \
        }                                                                                                                                  \
        for (int j = 1; j < 8; j++)                                                                                                        \
            sums[0] += sums[j];                                                                                                            \
        return sums[0][0] + sums[0][1];                                                                                                    \
    }

}  // namespace

#if defined(__x86_64__)
namespace {

// 24 of 32 registers; 14 of 16, where factor and term take the others.
ATTUNE_PEAK_LOOP(fma_512, "avx512f", 24, __m512, __m512, _mm512_set1_ps, _mm512_fmadd_ps(x, a, b), 2 * 16)
ATTUNE_PEAK_LOOP(fma_256, "avx2,fma", 14, __m256, __m256, _mm256_set1_ps, _mm256_fmadd_ps(x, a, b), 2 * 8)
/// No fused operation: a multiplication, then an addition. Zen 5: 71.7 GFLOP/s, separate chains for the two reach 62.
ATTUNE_PEAK_LOOP(multiply_add_128, "sse4.1", 14, __m128, __m128, _mm_set1_ps, _mm_add_ps(_mm_mul_ps(x, a), b), 2 * 4)

#define ATTUNE_BF16_PAIRS(value) _mm512_cvtne2ps_pbh(_mm512_set1_ps(value), _mm512_set1_ps(value))
ATTUNE_PEAK_LOOP(dot_bf16_512, "avx512f,avx512bf16", 24, __m512, __m512bh, ATTUNE_BF16_PAIRS, _mm512_dpbf16_ps(x, a, b), 2 * 32)
#define ATTUNE_HALVES(value) _mm512_castps_ph(_mm512_castsi512_ps(_mm512_set1_epi16(value == 0 ? 0 : 0x3c00)))
ATTUNE_PEAK_LOOP(fma_f16_512, "avx512fp16", 24, __m512h, __m512h, ATTUNE_HALVES, _mm512_fmadd_ph(x, a, b), 2 * 32)

/// Eight tiles of 16 rows of 64 bytes, and such a row of ones. Static: to GCC 12 a tile load is an address alone, and stores to it before are dropped.
alignas(64) constexpr struct {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
} whole_tiles;
alignas(64) constexpr auto bf16_ones = [] {
    std::array<uint16_t, 32> row;
    row.fill(0x3f80);
    return row;
}();

/// Products of whole tiles, 16 x 16 sums of 32 products each. One takes 16 cycles and its sums 52, so that six accumulators hide the latency.
__attribute__((target("amx-tile,amx-bf16"), noinline)) double dot_bf16_tiles() {
    _tile_loadconfig(&whole_tiles);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_loadd(6, bf16_ones.data(), 0);
    _tile_loadd(7, bf16_ones.data(), 0);
    constexpr int rounds = peak_rounds / 10;  // as long as the other loops; the sums stay exact
    for (int round = 0; round < rounds; round++) {
        _tile_dpbf16ps(0, 6, 7);
        _tile_dpbf16ps(1, 6, 7);
        _tile_dpbf16ps(2, 6, 7);
        _tile_dpbf16ps(3, 6, 7);
        _tile_dpbf16ps(4, 6, 7);
        _tile_dpbf16ps(5, 6, 7);
    }
    _tile_release();
    return 2.0 * 16 * 16 * 32 * 6 * rounds;
}

ATTUNE_READ_LOOP(sum_by_256, "avx2", 32)
ATTUNE_READ_LOOP(sum_by_512, "avx512f", 64)

}  // namespace

ATTUNE_READ_LOOP(sum_by_128, "sse4.1", 16)

PeakLoop peak_loop(const CpuTarget &target) {
    // Kernels with 8-bit query · key have weight · value of f32 or bf16, the slower unit.
    return target.machine.tiles      ? dot_bf16_tiles
           : target.machine.dot_bf16 ? dot_bf16_512
           : target.machine.fma_f16  ? fma_f16_512
                                     : vector_loop(target);
}

PeakLoop vector_loop(const CpuTarget &target) {
    return target.vector == 16 ? fma_512 : target.vector == 8 ? fma_256 : multiply_add_128;
}

ReadLoop widest_read_loop() {
    return __builtin_cpu_supports("avx512f") ? sum_by_512 : __builtin_cpu_supports("avx2") ? sum_by_256 : sum_by_128;
}
#elif defined(__aarch64__)
namespace {

ATTUNE_PEAK_LOOP(fma_128, "+simd", 24, float32x4_t, float32x4_t, vdupq_n_f32, vfmaq_f32(b, x, a), 2 * 4)

}  // namespace

ATTUNE_READ_LOOP(sum_by_128, "+simd", 16)

PeakLoop peak_loop(const CpuTarget &) {
    return fma_128;
}

PeakLoop vector_loop(const CpuTarget &) {
    return fma_128;
}

ReadLoop widest_read_loop() {
    return sum_by_128;
}
#endif

}  // namespace attune::cli

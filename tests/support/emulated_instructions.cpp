/// What generated code calls in the place of instructions that this CPU may lack (backend/emulation.h): Intel SDM volume 2 and the AVX512-FP16
/// specification, as far as kernels use them: whole registers, no mask, round to nearest. Tiles are poison until they are configured, and
/// again after their release, so that nothing relies on more.
#include "generator/reference/half.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace {

constexpr int tiles = 8, rows = 16, row_bytes = 64;

struct TileFile {
    bool configured = false;
    uint8_t bytes[tiles][rows][row_bytes];

    void poison() { std::memset(bytes, 0xff, sizeof bytes); }
};
thread_local TileFile file;

uint8_t (&tile(uint8_t number))[rows][row_bytes] {
    if (!file.configured || number >= tiles) throw std::logic_error("a tile instruction outside a configured function");
    return file.bytes[number];
}

template <typename T>
T element(const uint8_t (&row)[row_bytes], int index) {
    T x;
    std::memcpy(&x, row + sizeof(T) * static_cast<size_t>(index), sizeof x);
    return x;
}

float bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// c + a b: rows of four bytes each, `product` of two of them.
template <typename Sum, typename Product>
void contract(uint8_t c, uint8_t a, uint8_t b, Product product) {
    auto &sums = tile(c);
    for (int m = 0; m < rows; m++)
        for (int k = 0; k < row_bytes / 4; k++)
            for (int n = 0; n < row_bytes / 4; n++) {
                const Sum next = product(element<Sum>(sums[m], n), element<uint32_t>(tile(a)[m], k), element<uint32_t>(tile(b)[k], n));
                std::memcpy(sums[m] + 4 * n, &next, 4);
            }
}

float dot_bf16(float sum, uint32_t a, uint32_t b) {
    const auto low = [](uint32_t x) { return bf16(static_cast<uint16_t>(x)); };
    const auto high = [](uint32_t x) { return bf16(static_cast<uint16_t>(x >> 16)); };
    return sum + low(a) * low(b) + high(a) * high(b);
}

int32_t dot_i8(int32_t sum, uint32_t is_unsigned, uint32_t is_signed) {
    for (int i = 0; i < 32; i += 8) sum += static_cast<uint8_t>(is_unsigned >> i) * static_cast<int8_t>(is_signed >> i);
    return sum;
}

int32_t dot_signed_i8(int32_t sum, uint32_t a, uint32_t b) {
    for (int i = 0; i < 32; i += 8) sum += static_cast<int8_t>(a >> i) * static_cast<int8_t>(b >> i);
    return sum;
}

/// x - x rounded to the nearest integer or down to one, the only forms that kernels use.
float reduced(float x, int control) {
    if (control != 8 && control != 9) throw std::logic_error("vreduce with another control byte");
    return std::isinf(x) ? 0 : x - (control == 8 ? std::nearbyint(x) : std::floor(x));
}

float scaled(float x, float exponent) {
    if (std::isnan(exponent)) return exponent;
    if (std::isinf(exponent)) return exponent > 0 ? x * INFINITY : x * 0.0f;
    return std::ldexp(x, static_cast<int>(std::floor(std::clamp(exponent, -1000.0f, 1000.0f))));
}

using Floats = std::array<float, 16>;
using Halves = std::array<uint16_t, 32>;
using Words = std::array<uint32_t, 16>;

template <typename Function>
Halves for_halves(Function f) {
    Halves out;
    for (size_t i = 0; i < out.size(); i++) out[i] = attune::float_to_f16(f(i));
    return out;
}

}  // namespace

extern "C" {

void attune_emulate_ldtilecfg(const uint8_t *configuration) {
    if (file.configured || configuration[0] != 1) throw std::logic_error("tiles configured twice, or for an unknown palette");
    for (int t = 0; t < tiles; t++)
        if (configuration[16 + 2 * t] != row_bytes || configuration[17 + 2 * t] != 0 || configuration[48 + t] != rows)
            throw std::logic_error("a tile is not 16 rows of 64 bytes");
    file.configured = true;
    file.poison();
}

void attune_emulate_tilerelease() {
    file.configured = false;
    file.poison();
}

void attune_emulate_tilezero(uint8_t t) { std::memset(tile(t), 0, rows * row_bytes); }

void attune_emulate_tileloadd64(uint8_t t, const uint8_t *address, int64_t stride) {
    auto &to = tile(t);
    for (int r = 0; r < rows; r++) std::memcpy(to[r], address + r * stride, row_bytes);
}

void attune_emulate_tilestored64(uint8_t t, uint8_t *address, int64_t stride) {
    const auto &from = tile(t);
    for (int r = 0; r < rows; r++) std::memcpy(address + r * stride, from[r], row_bytes);
}

void attune_emulate_tdpbf16ps(uint8_t c, uint8_t a, uint8_t b) { contract<float>(c, a, b, dot_bf16); }
void attune_emulate_tdpbusd(uint8_t c, uint8_t a, uint8_t b) { contract<int32_t>(c, a, b, dot_i8); }
void attune_emulate_tdpbssd(uint8_t c, uint8_t a, uint8_t b) { contract<int32_t>(c, a, b, dot_signed_i8); }

/// Whether this thread's tiles are released.
bool attune_emulate_is_released() { return !file.configured; }

void attune_emulate_avx512_mask_reduce_ps_512(Floats *result, const Floats *x, int control, const Floats *, uint16_t, int) {
    for (size_t i = 0; i < x->size(); i++) (*result)[i] = reduced((*x)[i], control);
}

void attune_emulate_avx512_mask_scalef_ps_512(Floats *result, const Floats *x, const Floats *exponent, const Floats *, uint16_t, int) {
    for (size_t i = 0; i < x->size(); i++) (*result)[i] = scaled((*x)[i], (*exponent)[i]);
}

void attune_emulate_avx512fp16_mask_reduce_ph_512(Halves *result, const Halves *x, int control, const Halves *, uint32_t, int) {
    *result = for_halves([&](size_t i) { return reduced(attune::f16_to_float((*x)[i]), control); });
}

void attune_emulate_avx512fp16_mask_scalef_ph_512(Halves *result, const Halves *x, const Halves *exponent, const Halves *, uint32_t, int) {
    *result = for_halves([&](size_t i) { return scaled(attune::f16_to_float((*x)[i]), attune::f16_to_float((*exponent)[i])); });
}

void attune_emulate_avx512_permvar_hi_512(Halves *result, const Halves *x, const Halves *index) {
    for (size_t i = 0; i < x->size(); i++) (*result)[i] = (*x)[(*index)[i] % x->size()];
}

void attune_emulate_avx512_pmaddw_d_512(Words *result, const Words *a, const Words *b) {
    const auto part = [](uint32_t pair, int shift) { return int32_t{static_cast<int16_t>(pair >> shift)}; };
    for (size_t i = 0; i < a->size(); i++)
        (*result)[i] = static_cast<uint32_t>(part((*a)[i], 0) * part((*b)[i], 0) + part((*a)[i], 16) * part((*b)[i], 16));
}

void attune_emulate_avx512_pternlog_d_512(Words *result, const Words *a, const Words *b, const Words *c, int table) {
    for (size_t i = 0; i < result->size(); i++) {
        (*result)[i] = 0;
        for (int bit = 0; bit < 32; bit++) {
            const auto of = [&](const Words *x) { return (*x)[i] >> bit & 1; };
            (*result)[i] |= (static_cast<uint32_t>(table) >> (of(a) << 2 | of(b) << 1 | of(c)) & 1) << bit;
        }
    }
}

void attune_emulate_avx512bf16_cvtneps2bf16_512(std::array<uint16_t, 16> *result, const Floats *x) {
    for (size_t i = 0; i < x->size(); i++) (*result)[i] = attune::float_to_bf16((*x)[i]);
}

void attune_emulate_avx512bf16_dpbf16ps_512(Floats *result, const Floats *sum, const Words *a, const Words *b) {
    for (size_t i = 0; i < sum->size(); i++) (*result)[i] = dot_bf16((*sum)[i], (*a)[i], (*b)[i]);
}

/// What compilers call for a conversion to bf16, and GCC 12's library lacks: the bits in the low half of a register.
float __truncsfbf2(float x) { return std::bit_cast<float>(uint32_t{attune::float_to_bf16(x)}); }

void attune_emulate_avx512_vpdpbusd_512(Words *result, const Words *sum, const Words *is_unsigned, const Words *is_signed) {
    for (size_t i = 0; i < sum->size(); i++)
        (*result)[i] = static_cast<uint32_t>(dot_i8(static_cast<int32_t>((*sum)[i]), (*is_unsigned)[i], (*is_signed)[i]));
}
}

#include "element.h"

#include <stddef.h>
#include <string.h>

// Bit masks in place of branches, and signed comparisons (SSE2 has no others), so that the loops below become vector code.

static inline float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
/// All ones where a < b, as numbers below 2^31.
static inline uint32_t is_less(uint32_t a, uint32_t b) {
    return -(uint32_t)((int32_t)a < (int32_t)b);
}

static inline float from_f16(uint16_t half) {
    uint32_t magnitude = half & 0x7fff, sign = (uint32_t)(half & 0x8000) << 16;
    // Exponents move by 127 - 15; by twice that those of infinity and NaN, from 31 to 255.
    uint32_t normal = (magnitude << 13) + (112u << 23) + (is_less(0x7bff, magnitude) & 112u << 23);
    uint32_t denormal = bits_of((float)(int32_t)magnitude * 0x1p-24f), is_denormal = is_less(magnitude, 0x400);
    return float_of((denormal & is_denormal) | (normal & ~is_denormal) | sign);
}

static inline uint16_t to_f16(float x) {
    uint32_t magnitude = bits_of(x) & 0x7fffffff, sign = bits_of(x) >> 16 & 0x8000;
    // Half of what is cut off, less one where the last bit that stays is even; a carry goes on into the exponent, up to infinity.
    uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    // Below 2^-14 halves are multiples of 2^-24, the last bit of floats in [0.5, 1): the sum rounds, and its last bits are the half.
    uint32_t denormal = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000, is_denormal = is_less(magnitude, 0x38800000);
    uint32_t is_beyond = is_less(0x477fffff, magnitude), beyond = 0x7c00 | (is_less(0x7f800000, magnitude) & 0x200);  // from 2^16 on; NaN
    uint32_t finite = (denormal & is_denormal) | (normal & ~is_denormal);
    return (uint16_t)((beyond & is_beyond) | (finite & ~is_beyond) | sign);
}

static inline float from_bf16(uint16_t half) {
    return float_of((uint32_t)half << 16);
}

static inline uint16_t to_bf16(float x) {
    uint32_t bits = bits_of(x), is_nan = is_less(0x7f800000, bits & 0x7fffffff);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
    return (uint16_t)((quiet & is_nan) | (rounded & ~is_nan));
}

static inline float from_f32(float x) {
    return x;
}
static inline float to_f32(float x) {
    return x;
}

#define DEFINE_ROWS(dtype, type)                                                                                                           \
    static void add_##dtype(float *restrict sum, float weight, const void *restrict row, int64_t count) {                                  \
        const type *elements = row;                                                                                                        \
        for (int64_t i = 0; i < count; i++)                                                                                                \
            sum[i] += weight * from_##dtype(elements[i]);                                                                                  \
    }                                                                                                                                      \
    static void store_##dtype(void *restrict row, const float *restrict sum, int64_t count) {                                              \
        type *elements = row;                                                                                                              \
        for (int64_t i = 0; i < count; i++)                                                                                                \
            elements[i] = to_##dtype(sum[i]);                                                                                              \
    }
DEFINE_ROWS(f32, float)
DEFINE_ROWS(f16, uint16_t)
DEFINE_ROWS(bf16, uint16_t)

const attune_element *attune_find_element(const char *dtype) {
    static const attune_element elements[] = {
        {"f32", 4, add_f32, store_f32}, {"f16", 2, add_f16, store_f16}, {"bf16", 2, add_bf16, store_bf16}};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(elements[i].dtype, dtype) == 0)
            return &elements[i];
    return NULL;
}

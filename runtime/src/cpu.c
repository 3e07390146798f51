#include "cpu.h"

#include "attune/kernel.h"

#include <stdatomic.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>

/// The register states that the operating system saves. A CPU with AVX under a system that does not save ymm corrupts or faults.
static uint32_t saved_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has_all(uint32_t word, uint32_t bits) {
    return (word & bits) == bits;
}

/// Bits: Intel SDM volume 2A, CPUID, tables 3-10 (leaf 1) and 3-8 (leaf 7).
static uint32_t detect(void) {
    enum { sse3 = 1u << 0, ssse3 = 1u << 9, fma = 1u << 12, sse41 = 1u << 19, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29 };
    const uint32_t avx2 = 1u << 5;
    const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;  // F DQ CD BW VL
    const uint32_t ymm_state = 0x06, zmm_state = 0xE6;

    uint32_t features = 0, eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        return 0;
    if (has_all(ecx, sse3 | ssse3 | sse41))
        features |= ATTUNE_CPU_SSE41;
    if (!has_all(ecx, osxsave | avx | fma | f16c) || !has_all(saved_states(), ymm_state))
        return features;

    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !has_all(ebx, avx2))
        return features;
    features |= ATTUNE_CPU_AVX2;
    // Only on top of AVX2: compilers given AVX-512 use fma and f16c too, and a hypervisor may mask those alone.
    if (has_all(ebx, avx512) && has_all(saved_states(), zmm_state))
        features |= ATTUNE_CPU_AVX512;
    return features;
}
#else
static uint32_t detect(void) {
    return 0;
}
#endif

uint32_t attune_cpu_features(void) {
    static atomic_uint known;  // the features and this bit, once detected; threads that race find the same
    const uint32_t detected = 1u << 31;
    uint32_t features = atomic_load_explicit(&known, memory_order_relaxed);
    if (!features) {
        features = detect() | detected;
        atomic_store_explicit(&known, features, memory_order_relaxed);
    }
    return features & ~detected;
}

const char *attune_cpu_feature_name(uint32_t bit) {
    switch (bit) {
    case ATTUNE_CPU_SSE41:
        return "sse4.1";
    case ATTUNE_CPU_AVX2:
        return "avx2, fma and f16c";
    case ATTUNE_CPU_AVX512:
        return "avx512 f, bw, cd, dq and vl";
    default:
        return "a feature that this runtime does not know";
    }
}

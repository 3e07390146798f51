#include "cpu.h"

#include "attune/kernel.h"

#include <stdatomic.h>
#include <stdbool.h>

static atomic_int tile_refusal;  // errno of the system's refusal, or 0

#if defined(__x86_64__)
#include <cpuid.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/// The register states that the operating system saves. A CPU with AVX under a system that does not save ymm corrupts or faults.
static uint32_t saved_states(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has_all(uint32_t word, uint32_t bits) {
    return (word & bits) == bits;
}

/// Asks Linux for the state of matrix tiles: 8 KB a thread that the kernel saves only for processes that asked, for others the first tile
/// instruction is a SIGILL. One call serves all threads, also those that run already. Refused by kernels before 5.16, by seccomp filters, and
/// with ENOSPC where a thread has a sigaltstack too small for the state. linux/Documentation/arch/x86/xstate.rst
static bool tiles_are_granted(void) {
    enum { arch_req_xcomp_perm = 0x1023, tile_data = 18 };
    int refusal = syscall(SYS_arch_prctl, arch_req_xcomp_perm, tile_data) ? errno : 0;
    atomic_store_explicit(&tile_refusal, refusal, memory_order_relaxed);
    return refusal == 0;
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
    if (!has_all(ebx, avx512) || !has_all(saved_states(), zmm_state))
        return features;
    features |= ATTUNE_CPU_AVX512;
    const uint32_t avx512_vnni = 1u << 11, avx512_fp16 = 1u << 23, avx512_bf16 = 1u << 5;
    if (has_all(ecx, avx512_vnni))
        features |= ATTUNE_CPU_AVX512_VNNI;
    if (has_all(edx, avx512_fp16))
        features |= ATTUNE_CPU_AVX512_FP16;
    const uint32_t amx_bf16_tile_int8 = 1u << 22 | 1u << 24 | 1u << 25, tile_state = 0x60000;
    if (has_all(edx, amx_bf16_tile_int8) && has_all(saved_states(), tile_state) && tiles_are_granted())
        features |= ATTUNE_CPU_AMX;
    if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && has_all(eax, avx512_bf16))
        features |= ATTUNE_CPU_AVX512_BF16;
    return features;
}
#elif defined(__aarch64__)
static uint32_t detect(void) {
    return ATTUNE_CPU_NEON;  // the compiler uses it in this very file
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

int attune_tile_refusal(void) {
    attune_cpu_features();
    return atomic_load_explicit(&tile_refusal, memory_order_relaxed);
}

const char *attune_cpu_feature_name(uint32_t bit) {
    switch (bit) {
    case ATTUNE_CPU_SSE41:
        return "sse4.1";
    case ATTUNE_CPU_AVX2:
        return "avx2, fma and f16c";
    case ATTUNE_CPU_AVX512:
        return "avx512 f, bw, cd, dq and vl";
    case ATTUNE_CPU_AVX512_BF16:
        return "avx512_bf16";
    case ATTUNE_CPU_AVX512_VNNI:
        return "avx512_vnni";
    case ATTUNE_CPU_AVX512_FP16:
        return "avx512_fp16";
    case ATTUNE_CPU_NEON:
        return "neon";
    case ATTUNE_CPU_AMX:
        return atomic_load_explicit(&tile_refusal, memory_order_relaxed) ? "amx tiles, which the system refused to this process"
                                                                         : "amx_tile, amx_bf16 and amx_int8";
    default:
        return "a feature that this runtime does not know";
    }
}

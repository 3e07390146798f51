/// Floating-point mode of a task: round to nearest, no traps, denormals are zero. Arithmetic on denormals costs 100 cycles or more
/// and wide logits make many (weights below 2^-126); the error bound has 2^-120 for flushing them.
#ifndef ATTUNE_SRC_FLOAT_MODE_H
#define ATTUNE_SRC_FLOAT_MODE_H

#if defined(__x86_64__)
#include <xmmintrin.h>

typedef unsigned attune_float_mode;  // MXCSR

/// Sets the mode and returns the caller's, for attune_leave_float_mode.
static inline attune_float_mode attune_enter_float_mode(void) {
    const unsigned masked_nearest = 0x1F80, flush_to_zero = 0x8000, denormals_are_zero = 0x0040;
    unsigned callers = _mm_getcsr();
    _mm_setcsr(masked_nearest | flush_to_zero | denormals_are_zero);
    return callers;
}
/// Restores the caller's mode, its sticky exception flags included.
static inline void attune_leave_float_mode(attune_float_mode callers) {
    _mm_setcsr(callers);
}
#elif defined(__aarch64__)
#include <stdint.h>

typedef struct attune_float_mode {
    uint64_t control, status;  // FPCR, FPSR with the sticky flags
} attune_float_mode;

/// FPCR's other bits are 0: round to nearest, no traps, NaNs keep their payload.
static inline attune_float_mode attune_enter_float_mode(void) {
    const uint64_t flush_to_zero = 1u << 24;  // of operands and results
    attune_float_mode callers;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(callers.control), "=r"(callers.status));
    __asm__ volatile("msr fpcr, %0" : : "r"(flush_to_zero));
    return callers;
}
static inline void attune_leave_float_mode(attune_float_mode callers) {
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(callers.control), "r"(callers.status));
}
#else
#error "Attune's runtime runs on x86-64 and aarch64: add the CPU's mode here and its features in cpu.c"
#endif

#endif

/// Floating-point mode of a task: round to nearest, no traps, denormals are zero. Arithmetic on denormals costs 100 cycles or more
/// and wide logits make many (weights below 2^-126); the error bound has 2^-120 for flushing them.
#ifndef ATTUNE_SRC_FLOAT_MODE_H
#define ATTUNE_SRC_FLOAT_MODE_H

#if defined(__x86_64__)
#include <xmmintrin.h>

/// Sets the mode and returns the caller's, for attune_leave_float_mode.
static inline unsigned attune_enter_float_mode(void) {
    const unsigned masked_nearest = 0x1F80, flush_to_zero = 0x8000, denormals_are_zero = 0x0040;
    unsigned callers = _mm_getcsr();
    _mm_setcsr(masked_nearest | flush_to_zero | denormals_are_zero);
    return callers;
}
/// Restores the caller's mode, its sticky exception flags included.
static inline void attune_leave_float_mode(unsigned callers) {
    _mm_setcsr(callers);
}
#else
static inline unsigned attune_enter_float_mode(void) {
    return 0;
}
static inline void attune_leave_float_mode(unsigned callers) {
    (void)callers;
}
#endif

#endif

/// Rows of f32, f16 and bf16 as sums of floats, for code that serves all three.
#ifndef ATTUNE_SRC_ELEMENT_H
#define ATTUNE_SRC_ELEMENT_H

#include <stdint.h>

/// Conversions are exact one way and to nearest even the other; NaNs come out quiet. They rely on attune_enter_float_mode, which makes
/// f32 and bf16 denormals 0 and leaves f16's, normal numbers in f32, as they are.
typedef struct attune_element {
    const char *dtype;  ///< attune_kernel_info::dtype
    int64_t bytes;
    /// sum[i] += weight * row[i], for `count` elements.
    void (*add)(float *sum, float weight, const void *row, int64_t count);
    /// row[i] = sum[i].
    void (*store)(void *row, const float *sum, int64_t count);
} attune_element;

/// The element type of this name, or null.
const attune_element *attune_find_element(const char *dtype);

#endif

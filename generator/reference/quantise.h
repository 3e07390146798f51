#pragma once
#include "generator/spec/spec.h"

#include <cstdint>
#include <vector>

namespace attune {

/// A row of keys or values as a cache of integers holds it, x = scale * (n - zero) with a scale for the row (i8) or for 32 elements (i4).
///   symmetric   scale = largest |x| / 127,  n = round(x / scale),      zero = 0    (i8)
///               scale = largest |x| / 7,    n = round(x / scale) + 8,  zero = 8    (i4)
///   asymmetric  scale = (max(hi, 0) - min(lo, 0)) / 255,  zero = -128 - min(lo, 0) / scale,  n = round(x / scale + zero)    (i8)
///               scale = (max(hi, 0) - min(lo, 0)) / 15,   zero = -min(lo, 0) / scale                                        (i4)
/// Scales and zero points are computed in float, n in double, rounded to nearest even and clamped to -128 .. 127 (i8) or 0 .. 15 (i4).
/// A scale below the normal floats is 0, and then zero is 0 (i8) or 8 (i4), n too: all of it is 0. Where an element is not finite,
/// the scale is NaN: all of it is NaN.
struct QuantisedRow {
    std::vector<uint8_t> bytes;   ///< i8: n, a signed byte each. i4: byte 16 g + j has element 32 g + j in its low half, 32 g + j + 16 in its high one
    std::vector<float> scales;    ///< cache_scales(cache, head_dim)
    std::vector<float> zeros;     ///< likewise; empty where the cache has no zero points
    std::vector<double> values;   ///< scale * (n - zero): what the row is from now on
};
/// cache.dtype is i8 or i4; head_dim a multiple of 32 for i4.
QuantisedRow quantise_row(const double *row, int head_dim, const KvCacheSpec &cache);

}  // namespace attune

#pragma once
#include <cstdint>

namespace attune::bench {

/// y(n, r) = sum_k weight(k, n) x(k, r), innermost first and dense, by OpenBLAS on one thread. Where the machine has it (Debian: libopenblas0-pthread): it
/// is looked for when first asked, so that nothing here is built or linked against it.
bool has_openblas();
void openblas_product(const float *x, const float *weight, float *y, int64_t rows, int64_t in_features, int64_t out_features);

}  // namespace attune::bench

#include "openblas.h"

#include <dlfcn.h>

#include <initializer_list>

namespace attune::bench {

namespace {

using Gemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);
constexpr int row_major = 101, as_is = 111, transposed = 112;  // of cblas.h

Gemm find_gemm() {
    for (const char *name : {"libopenblas.so.0", "libopenblas.so"})
        if (void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
            if (const auto set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads")))
                set_threads(1);
            return reinterpret_cast<Gemm>(dlsym(library, "cblas_sgemm"));
        }
    return nullptr;
}

Gemm gemm() {
    static const Gemm found = find_gemm();
    return found;
}

}  // namespace

bool has_openblas() {
    return gemm() != nullptr;
}

void openblas_product(const float *x, const float *weight, float *y, int64_t rows, int64_t in_features, int64_t out_features) {
    const int m = static_cast<int>(rows), n = static_cast<int>(out_features), k = static_cast<int>(in_features);
    gemm()(row_major, as_is, transposed, m, n, k, 1, x, k, weight, k, 0, y, n);
}

}  // namespace attune::bench

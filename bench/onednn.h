#pragma once
#include "generator/spec/spec.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace attune::bench {

/// A dense layer, one for each element type and shape:
///   y(n, r) = bias(n) + sum_k weight(k, n) x(k, r)          innermost first and dense, all of one type
struct DenseShape {
    DType dtype = DType::f32;
    int64_t in_features = 0, out_features = 0, rows = 0;
};

/// One way in which oneDNN computes it, on one thread, with the bias in the same call and weights in the layout that the library asks for.
class OneDnnLayer {
public:
    virtual ~OneDnnLayer() = default;
    virtual std::string name() const = 0;    ///< "inner_product brgemm:avx2": as the library calls its code
    virtual size_t packed_size() const = 0;  ///< bytes of weights
    virtual void pack(const void *weight, void *packed) = 0;
    virtual void run(const void *packed) = 0;
};

/// The library's version ("2.6.3"), or "" where the machine has none (Debian: libdnnl2) that is built with OpenMP. It is looked for when first asked, so
/// that nothing here is built or linked against it: libdnnl.so.3, then libdnnl.so.2.
std::string onednn_version();
/// Its ways, over arrays that must live longer; none where it has none for the type on this CPU.
std::vector<std::unique_ptr<OneDnnLayer>> onednn_layers(const DenseShape &shape, const void *x, const void *bias, void *y);

}  // namespace attune::bench

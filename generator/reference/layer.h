#pragma once
#include "generator/spec/layer_spec.h"

#include <cstdint>
#include <vector>

namespace attune {

/// An array in double, and how far the same array of a kernel may be from it, element by element.
struct Bounded {
    std::vector<double> value, error;
};
/// Numbers that a kernel has as they are.
Bounded exactly(std::vector<double> value);

/// A weight matrix (outputs, inputs), C order, and a bias (outputs) or none.
struct ReferenceWeights {
    std::vector<double> weight, bias;
};

/// A dense layer of rows (rows, in_features) -> (rows, out_features), C order.
///   |y - y64| <= slope (sum_k |w_k| e_k + n u sum_k |w_k x_k| + 2 u |sum|) + own + ulp(y64) / 2 + 2^-120,   u = 2^-24
/// e: the error of the input. n = min(K, 256) + K / 256 + 8: a sum by chunks of 256 inputs at most. slope: the largest of the activation,
/// 1.13 for gelu, 1.1 for silu. own: what the activation's formula is off by, 4e-7 |sum| for gelu and 8e-7 for silu.
Bounded reference_projection(const ProjectionSpec &spec, int64_t rows, const Bounded &input, const ReferenceWeights &weights);

/// A layer's problem, arrays in C order, (batch, seq, elements), rounded to the layer's type.
struct ReferenceLayer {
    int64_t batch = 1, seq_len = 0, seq_len_context = 0;
    std::vector<double> input, context;
    ReferenceWeights query, key, value, output;
    std::vector<double> query_norm, key_norm;  ///< (head_dim), where the layer norms
    std::vector<int32_t> positions;            ///< (batch, seq_len), where the layer turns; or empty: 0, 1, 2, …
    std::vector<int32_t> lengths, lengths_context;  ///< or empty: all
};
/// (batch, seq_len, d_model). Errors go through the parts: with E the largest scale sum_d (e_q |k| + |q| e_k + e_q e_k) of the keys a row sees,
///   e_O = (exp(2 E) - 1) sum p |v| + exp(2 E) sum p e_v + the bound of attention itself (reference.h; with rounds_weights: of a kernel that does).
/// A norm's scale s = 1 / sqrt(mean(x^2) + eps) moves by what e moves the mean, and by (head_dim / 2 + 4) u of f32; a turn adds 4 u (|x cos| + |y sin|).
/// For specifications without a score.
Bounded reference_layer(const LayerSpec &spec, const ReferenceLayer &problem, bool rounds_weights = false);

}  // namespace attune

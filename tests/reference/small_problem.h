#pragma once
#include "generator/reference/inputs.h"
#include "generator/reference/reference.h"
#include "tests/support/masks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune::test {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan_value = std::numeric_limits<double>::quiet_NaN();

/// A problem of this shape with N(0, 1) numbers.
inline ReferenceProblem random_problem(int64_t seq_len_q, int64_t seq_len_kv, int head_dim = 4, int head_dim_v = 3, int64_t num_heads = 1,
                                       int64_t num_kv_heads = 1, int64_t batch = 1) {
    ReferenceProblem p;
    p.batch = batch;
    p.num_heads = num_heads;
    p.num_kv_heads = num_kv_heads;
    p.seq_len_q = seq_len_q;
    p.seq_len_kv = seq_len_kv;
    p.head_dim = head_dim;
    p.head_dim_v = head_dim_v;
    p.softmax_scale = 1 / std::sqrt(head_dim);
    fill_inputs(p, InputKind::normal, DType::f32, 1);
    return p;
}

}  // namespace attune::test

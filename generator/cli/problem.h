#pragma once
#include "generator/cli/bytes.h"
#include "generator/cli/params.h"
#include "generator/cli/run_kernel.h"
#include "generator/reference/inputs.h"
#include "generator/reference/reference.h"

#include <vector>

namespace attune::cli {

/// Values as the kernel stores them, rounded to nearest even.
Bytes encode(const std::vector<double> &values, DType dtype);
/// Back again, exact.
std::vector<double> decode(const Bytes &bytes, DType dtype);

/// Random inputs of a shape: for the reference in double, and the same numbers for the kernel.
struct Problem {
    Problem(const AttentionSpec &spec, const Shape &shape, InputKind kind, uint64_t seed, CallParams params = {});
    CallInputs call() const {
        return {.shape = shape, .query = query.data(), .key = key.data(), .value = value.data(), .params = params.data()};
    }

    Shape shape;
    CallParams params;
    ReferenceProblem reference;
    Bytes query, key, value;
};

}  // namespace attune::cli

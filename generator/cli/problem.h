#pragma once
#include "generator/cli/bytes.h"
#include "generator/cli/kv_cache.h"
#include "generator/cli/params.h"
#include "generator/cli/run_kernel.h"
#include "generator/reference/inputs.h"
#include "generator/reference/reference.h"

#include <memory>
#include <vector>

namespace attune::cli {

/// Values as the kernel stores them, rounded to nearest even.
Bytes encode(const std::vector<double> &values, DType dtype);
/// Back again, exact.
std::vector<double> decode(const Bytes &bytes, DType dtype);

/// Random inputs of a shape: for the reference in double, and the same numbers for the kernel.
struct Problem {
    /// ring_slots: of kv_layout ring; 0: as many as there are keys.
    Problem(const AttentionSpec &spec, const Shape &shape, InputKind kind, uint64_t seed, CallParams params = {}, int64_t ring_slots = 0);
    CallInputs call() const {
        return {
            .shape = shape, .query = query.data(), .key = key.data(), .value = value.data(), .cache = cache.get(), .params = params.data()};
    }

    Shape shape;
    CallParams params;
    ReferenceProblem reference;
    Bytes query;
    Bytes key, value;                         ///< empty where there is a cache
    std::shared_ptr<const CacheImage> cache;  ///< of specifications with a cache format
};

}  // namespace attune::cli

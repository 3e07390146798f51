#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/params.h"
#include "generator/cli/shape.h"
#include "generator/reference/inputs.h"
#include "generator/reference/reference.h"

namespace attune::cli {

/// How much of the derived bound a call's errors take.
struct Shares : ErrorShare {
    double pairs = 0;  ///< of the output of pairs, where the kernel has one

    bool ok() const { return output <= 1 && lse <= 1 && pairs <= 1; }  ///< false for NaN
    /// The largest of the three, finite.
    double worst() const;
};

/// Slots of a ring for this shape: fewer than keys, so that it has lost some; 0 where there is no ring.
int64_t ring_slots(const AttentionSpec &spec, const Shape &shape);

/// One call on random inputs, compared with attention in double. Throws Error where the call fails.
Shares check_shape(const LoadedKernel &kernel, const Shape &shape, InputKind kind, uint64_t seed, const CallParams &params);

/// NaN and infinity have no JSON: the largest number stands for "no bound is large enough".
double finite(double x);

}  // namespace attune::cli

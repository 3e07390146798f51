#pragma once
#include "generator/reference/reference.h"
#include "generator/spec/spec.h"

#include <cstdint>
#include <vector>

namespace attune {

/// Rotary position embedding of rows, in double.
///   x' = x cos(angle) - y sin(angle),  y' = x sin(angle) + y cos(angle),  angle = position * frequencies[i] of pair i
/// Pair i is (i, i + dims / 2) of style half, (2i, 2i + 1) of interleaved; elements from dims on stay. Su et al. 2021 (arXiv:2104.09864).
class Rotation {
public:
    explicit Rotation(const RopeSpec &rope);

    /// Turns a row. terms: where not null, |x cos| + |y sin| and |x sin| + |y cos| of the elements that are turned; those from dims on are left alone.
    void turn(double *row, int64_t position, double *terms = nullptr) const;

private:
    RopeSpec::Style style_;
    std::vector<double> frequencies_;
};

/// Turns the queries of `problem`, row q of a sequence by q + its keys - its rows, and sets query_terms. Does nothing without rope.
/// The lengths must be set.
void rotate_query(ReferenceProblem &problem, const RopeSpec &rope);

}  // namespace attune

#pragma once
#include "tests/support/kernel_case.h"

namespace attune::test {

/// The exact function of an algorithm, or the fixed reference's, without any schedule, compiled by Halide's JIT for one sequence and head
/// of the problem: the slow right answer that a schedule must not change. Rows that the fixed reference leaves over are marked.
struct UnscheduledResult {
    std::vector<double> output;
    std::vector<float> lse;
    std::vector<int> row_state;
};
enum class UnscheduledAlgorithm { fixed_reference, online, online_split, full_row, key_lanes };
UnscheduledResult run_unscheduled(UnscheduledAlgorithm algorithm, const AttentionSpec &spec, const ReferenceProblem &problem);

}  // namespace attune::test

// Large, huge and tiny numbers: within the bound, or where a score is on the edge of f32, no NaN out of finite inputs.
#include "tests/conformance/kernels.h"

#include <cmath>

namespace attune::test {
namespace {

class Magnitudes : public KernelTable {
protected:
    const ShapeCase shape = {"tails", 1, 2, 1, 61, 133};
};

TEST_P(Magnitudes, WideInputsStayWithinTheBound) {
    for (InputKind kind : {InputKind::wide_8, InputKind::wide_20, InputKind::spike}) {
        SCOPED_TRACE(input_kind_name(kind));
        check_shape(*kernel, shape, kind, 13);
        check_shape(*kernel, {"lengths", 2, 1, 1, 50, 140, {49, 31}, {69, 5}}, kind, 14);
    }
}

TEST_P(Magnitudes, OneHugeKeyTakesTheRowsThatSeeIt) {
    for (int64_t kv : {0, 31, 64, 90, 132}) {
        ReferenceProblem p = make_problem(spec, shape, InputKind::normal, 15);
        for (int d = 0; d < p.head_dim; d++) {
            double &x = p.key[static_cast<size_t>(kv * p.head_dim + d)];
            x = round_to(spec.dtype, x * 1e4);
        }
        SCOPED_TRACE("key " + std::to_string(kv));
        expect_right(*kernel, p, shape, run(p, shape), 15);
    }
}

TEST_P(Magnitudes, LargeValuesDoNotOverflow) {
    ReferenceProblem p = make_problem(spec, shape, InputKind::normal, 16);
    // f32: sums of weights up to 2^100 times this would leave the range, and the row's guard must see it.
    const double factor = spec.dtype == DType::f16 ? 1e4 : 1e30;
    for (double &x : p.value) x = round_to(spec.dtype, x * factor);
    expect_right(*kernel, p, shape, run(p, shape), 16);
    for (double &x : p.key) x = round_to(spec.dtype, x * 8);
    expect_right(*kernel, p, shape, run(p, shape), 16);
}

TEST_P(Magnitudes, TheLargestValuesGiveFiniteOutputs) {
    // Weights are divided by their sum at the end, so that a value times the number of keys must be in range of f32: 1e38 would not be.
    ReferenceProblem p = make_problem(spec, shape, InputKind::normal, 17);
    const double largest = round_to(spec.dtype, spec.dtype == DType::f16 ? 65504 : 2e36);
    for (double &x : p.value) x = largest;
    expect_right(*kernel, p, shape, run(p, shape), 17);
}

TEST_P(Magnitudes, DenormalsAreFlushedOrKept) {
    // Values: the bound has 2^-120 for what flushing costs.
    ReferenceProblem p = make_problem(spec, shape, InputKind::normal, 18);
    const double tiny = spec.dtype == DType::f16 ? 0x1p-22 : 0x1p-130;
    for (double &x : p.value) x = round_to(spec.dtype, x * tiny);
    expect_right(*kernel, p, shape, run(p, shape), 18);
    // Queries: all logits are 0 or next to it, and the output is the mean of the values.
    p = make_problem(spec, shape, InputKind::normal, 18);
    for (double &x : p.query) x = round_to(spec.dtype, x * tiny);
    expect_right(*kernel, p, shape, run(p, shape), 18);
}

TEST_P(Magnitudes, EqualKeysGiveTheMeanOfTheValues) {
    ReferenceProblem p = make_problem(spec, shape, InputKind::normal, 19);
    std::fill(p.key.begin(), p.key.end(), 0.0);
    expect_right(*kernel, p, shape, run(p, shape), 19);
}

/// Scores far below 0 for every key of some rows: weights relative to anything but the row's own maximum would all be 0.
TEST_P(Magnitudes, RowsFarBelowZeroAreNotEmpty) {
    ReferenceProblem p = make_problem(spec, shape, InputKind::normal, 20);
    for (size_t i = 0; i < p.key.size(); i++) p.key[i] = round_to(spec.dtype, 20 + 0.5 * p.key[i]);
    for (size_t i = 0; i < p.query.size(); i++) p.query[i] = round_to(spec.dtype, (i / 10 % 2 ? 20 : -20) + 0.5 * p.query[i]);
    const KernelResult result = run(p, shape);
    expect_right(*kernel, p, shape, result, 20);
}

/// One row leaves the fixed reference's range: it is redone, its neighbours in the block keep every bit.
TEST_P(Magnitudes, ARowThatIsRedoneLeavesItsNeighboursAlone) {
    const ReferenceProblem plain = make_problem(spec, shape, InputKind::normal, 21);
    const KernelResult before = run(plain, shape);
    for (int64_t row : {0, 17, 60, 61, 121}) {
        // Times 6 passes the early test of the bound but may fail the guard on the sum; times 40 is decided early.
        for (double factor : {6.0, 12.0, 40.0}) {
            ReferenceProblem p = plain;
            for (int d = 0; d < p.head_dim; d++) {
                double &x = p.query[static_cast<size_t>(row * p.head_dim + d)];
                x = round_to(spec.dtype, x * factor);
            }
            const KernelResult got = run(p, shape);
            expect_same_bits(plain, got, before, describe(*kernel) + ": query " + std::to_string(row) + " times " + std::to_string(factor),
                             [&](int64_t other) { return other != row; });
            expect_right(*kernel, p, shape, got, 21);
        }
    }
}

/// The guard itself: a row whose other keys score far above its own key, within the bound on norms.
TEST_P(Magnitudes, ARowWhoseGuardFiresLeavesItsNeighboursAlone) {
    const ReferenceProblem plain = make_problem(spec, shape, InputKind::normal, 22);
    const KernelResult before = run(plain, shape);
    for (int64_t row : {3, 44, 60}) {
        ReferenceProblem p = plain;
        // Opposite to its own key, along a visible earlier one: own score -s, another +s, with s near the largest bound that stays fixed.
        const double scale = spec.softmax_scale * 1.4426950408889634;
        double key_square = 0;
        for (int64_t kv = 0; kv < p.seq_len_kv; kv++) {
            double square = 0;
            for (int d = 0; d < p.head_dim; d++) square += std::pow(p.key[static_cast<size_t>(kv * p.head_dim + d)], 2);
            key_square = std::max(key_square, square);
        }
        const double length = 185 / (scale * std::sqrt(key_square));
        double own_square = 0;
        const int64_t own = std::min<int64_t>(p.seq_len_kv - 1, spec.mask_text() == "causal_top_left" ? row : row + p.seq_len_kv - p.seq_len_q);
        for (int d = 0; d < p.head_dim; d++) own_square += std::pow(p.key[static_cast<size_t>(own * p.head_dim + d)], 2);
        for (int d = 0; d < p.head_dim; d++) {
            p.query[static_cast<size_t>(row * p.head_dim + d)] =
                round_to(spec.dtype, -length * p.key[static_cast<size_t>(own * p.head_dim + d)] / std::sqrt(own_square));
        }
        const KernelResult got = run(p, shape);
        expect_same_bits(plain, got, before, describe(*kernel) + ": row " + std::to_string(row), [&](int64_t other) { return other != row; });
        expect_right(*kernel, p, shape, got, 22);
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Magnitudes, testing::ValuesIn(kernel_table()), kernel_name);

}  // namespace
}  // namespace attune::test

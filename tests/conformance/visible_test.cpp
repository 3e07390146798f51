// NaN and infinity where a row sees them: that row shows it, as IEEE says, and no other row changes a bit.
#include "tests/conformance/kernels.h"

#include <cmath>

namespace attune::test {
namespace {

class VisibleNumbers : public KernelTable {
protected:
    const ShapeCase shape = {"tails", 2, 2, 1, 61, 93, {61, 50}, {93, 70}};

    /// Rows of sequence `b` that `changed` names are NaN whole, lse too; the others keep their bits.
    void expect_nan_rows(const ReferenceProblem &p, const KernelResult &got, const KernelResult &before, const std::string &context,
                         const std::function<bool(int64_t row)> &changed) const {
        expect_same_bits(p, got, before, context, [&](int64_t row) { return !changed(row); });
        for (int64_t row = 0; row < p.batch * p.num_heads * p.seq_len_q; row++) {
            if (!changed(row)) continue;
            for (int64_t d = 0; d < p.head_dim_v; d++) {
                ASSERT_TRUE(std::isnan(got.output[static_cast<size_t>(row * p.head_dim_v + d)])) << context << ": output " << row_name(p, row) << " d " << d;
            }
            ASSERT_TRUE(std::isnan(got.lse[static_cast<size_t>(row)])) << context << ": lse " << row_name(p, row);
        }
    }
};

TEST_P(VisibleNumbers, NanInAKeyMakesTheRowsThatSeeItNan) {
    const ReferenceProblem plain = make_problem(spec, shape, InputKind::normal, 9);
    const KernelResult before = run(plain, shape);
    for (int64_t kv : {0, 1, 31, 32, 40, 63, 64, 69, 92}) {
        for (int64_t d : {0, 9}) {  // the first column and the last
            ReferenceProblem p = plain;
            p.key[static_cast<size_t>((0 * p.seq_len_kv + kv) * p.head_dim + d)] = nan_value;
            expect_nan_rows(plain, run(p, shape), before, describe(*kernel) + ": NaN in key " + std::to_string(kv), [&](int64_t row) {
                return row / plain.seq_len_q / plain.num_heads == 0 && sees(plain, 0, 0, row % plain.seq_len_q, kv);
            });
        }
    }
}

TEST_P(VisibleNumbers, NanInAQueryMakesItsRowNan) {
    const ReferenceProblem plain = make_problem(spec, shape, InputKind::normal, 10);
    const KernelResult before = run(plain, shape);
    for (int64_t row : {0, 1, 15, 16, 47, 48, 60, 61, 100, 122, 160}) {
        const int64_t b = row / plain.seq_len_q / plain.num_heads, q = row % plain.seq_len_q;
        ReferenceProblem p = plain;
        p.query[static_cast<size_t>(row * p.head_dim + row % p.head_dim)] = nan_value;
        expect_nan_rows(plain, run(p, shape), before, describe(*kernel) + ": NaN in query of " + row_name(plain, row), [&](int64_t changed) {
            return changed == row && sees(plain, b, 0, q, 0);
        });
    }
}

/// NaN or infinity in one column of a value: that column of the rows that see it. A weight that underflows to 0 in f32 would make 0 * inf a
/// NaN; the inputs are N(0, 1), so that none does.
TEST_P(VisibleNumbers, NanAndInfinityInAValueShowInItsColumn) {
    const ReferenceProblem plain = make_problem(spec, shape, InputKind::normal, 11);
    const KernelResult before = run(plain, shape);
    for (int64_t kv : {0, 31, 32, 63, 64, 69, 92}) {
        for (double x : {nan_value, infinity, -infinity}) {
            const int64_t column = kv % plain.head_dim_v;
            ReferenceProblem p = plain;
            p.value[static_cast<size_t>(kv * p.head_dim_v + column)] = x;
            const KernelResult got = run(p, shape);
            const std::string context = describe(*kernel) + ": " + std::to_string(x) + " in value " + std::to_string(kv);
            const auto affected = [&](int64_t row) {
                return row / plain.seq_len_q / plain.num_heads == 0 && sees(plain, 0, 0, row % plain.seq_len_q, kv);
            };
            expect_same_bits(plain, got, before, context, [&](int64_t row) { return !affected(row); });
            for (int64_t row = 0; row < plain.batch * plain.num_heads * plain.seq_len_q; row++) {
                if (!affected(row)) continue;
                const double shown = got.output[static_cast<size_t>(row * plain.head_dim_v + column)];
                ASSERT_TRUE(std::isnan(x) ? std::isnan(shown) : shown == x) << context << ": " << row_name(plain, row) << " is " << shown;
            }
            expect_right(*kernel, p, shape, got, 11);
        }
    }
}

/// +inf in a key: the score is +-inf or NaN. A row whose score is +inf is NaN (inf - inf), one whose score is -inf does not see the key.
TEST_P(VisibleNumbers, InfinityInAKeyFollowsTheReference) {
    const ReferenceProblem plain = make_problem(spec, shape, InputKind::normal, 12);
    const KernelResult before = run(plain, shape);
    for (int64_t kv : {0, 32, 64, 69, 92}) {
        for (double x : {infinity, -infinity}) {
            ReferenceProblem p = plain;
            p.key[static_cast<size_t>(kv * p.head_dim + 3)] = x;
            const KernelResult got = run(p, shape);
            const std::string context = describe(*kernel) + ": " + std::to_string(x) + " in key " + std::to_string(kv);
            expect_same_bits(plain, got, before, context, [&](int64_t row) {
                return row / plain.seq_len_q / plain.num_heads != 0 || !sees(plain, 0, 0, row % plain.seq_len_q, kv);
            });
            SCOPED_TRACE(context);
            expect_right(*kernel, p, shape, got, 12);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, VisibleNumbers, testing::ValuesIn(kernel_table()), kernel_name);

}  // namespace
}  // namespace attune::test

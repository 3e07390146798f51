// A key or value that a row does not see never reaches it: not a bit changes, whatever stands there.
#include "tests/conformance/kernels.h"

namespace attune::test {
namespace {

class HiddenNumbers : public KernelTable {};

const ShapeCase shapes[] = {
    {"tails", 1, 2, 1, 61, 93},
    {"hidden_rows", 1, 2, 1, 70, 40},
    {"lengths", 3, 2, 2, 50, 140, {49, 31, 0}, {69, 5, 140}},
    {"padded", 2, 2, 1, 50, 140, {49, 31}, {69, 128}, false, Layout::padded},
    {"packed_sequences", 4, 2, 1, 70, 90, {70, 0, 33, 1}, {90, 7, 1, 65}, true},
    {"packed_qkv", 2, 2, 2, 67, 67, {67, 10}, {67, 10}, false, Layout::packed_qkv},
};

/// Every key and value that no row at all sees, or that the mask hides from the first rows: NaN and infinities in place of zeros.
TEST_P(HiddenNumbers, NeverReachAnOutput) {
    for (const ShapeCase &shape : shapes) {
        SCOPED_TRACE(shape.name);
        ReferenceProblem zeros = make_problem(spec, shape, InputKind::normal, 7);
        // Keys that no row sees.
        std::vector<std::array<int64_t, 3>> hidden;
        for (int64_t b = 0; b < zeros.batch; b++) {
            for (int64_t kv = 0; kv < zeros.seq_len_kv; kv++) {
                bool seen = false;
                for (int64_t q = 0; q < zeros.seq_len_q && !seen; q++) seen = sees(zeros, b, 0, q, kv);
                for (int64_t h = 0; h < zeros.num_kv_heads && !seen; h++) hidden.push_back({b, h, kv});
            }
        }
        for (const auto &[b, h, kv] : hidden) {
            set_row(zeros.key, zeros, zeros.head_dim, b, h, kv, 0);
            set_row(zeros.value, zeros, zeros.head_dim_v, b, h, kv, 0);
        }
        const KernelResult expected = run(zeros, shape, poison_off);
        expect_right(*kernel, zeros, shape, expected, 7);
        for (double poison : {nan_value, infinity, -infinity, finite_largest()}) {
            ReferenceProblem poisoned = zeros;
            for (const auto &[b, h, kv] : hidden) {
                set_row(poisoned.key, poisoned, poisoned.head_dim, b, h, kv, poison);
                set_row(poisoned.value, poisoned, poisoned.head_dim_v, b, h, kv, poison);
            }
            expect_same_bits(zeros, run(poisoned, shape, poison_off), expected, describe(*kernel) + " with " + std::to_string(poison));
        }
    }
}

/// A key that some rows see and some do not, one at a time: the rows that do not see it keep their bits.
TEST_P(HiddenNumbers, NeverReachTheRowsTheyAreHiddenFrom) {
    const ShapeCase shape = {"tails", 1, 2, 1, 61, 93};
    const ReferenceProblem plain = make_problem(spec, shape, InputKind::normal, 8);
    const KernelResult expected = run(plain, shape);
    for (int64_t kv : {0, 1, 15, 16, 31, 32, 33, 47, 60, 63, 64, 65, 80, 91, 92}) {
        for (double poison : {nan_value, infinity, -infinity, finite_largest()}) {
            for (bool in_value : {false, true}) {
                ReferenceProblem poisoned = plain;
                set_row(in_value ? poisoned.value : poisoned.key, plain, in_value ? plain.head_dim_v : plain.head_dim, 0, 0, kv, poison);
                expect_same_bits(plain, run(poisoned, shape), expected,
                                 describe(*kernel) + ": " + std::to_string(poison) + (in_value ? " in value " : " in key ") + std::to_string(kv),
                                 [&](int64_t row) { return !sees(plain, 0, 0, row % plain.seq_len_q, kv); });
            }
        }
    }
}

TEST_P(HiddenNumbers, RowsThatSeeNothingAreZero) {
    const ShapeCase empty_shapes[] = {
        {"no_key", 2, 2, 1, 5, 0},
        {"empty_sequences", 3, 2, 1, 60, 70, {60, 60, 3}, {0, 70, 0}},
        {"hidden_rows", 1, 1, 1, 130, 20},
        {"after_lengths_q", 2, 1, 1, 60, 70, {0, 17}, {70, 70}},
        {"packed_sequences", 3, 1, 1, 20, 30, {20, 7, 9}, {0, 30, 0}, true},
    };
    for (const ShapeCase &shape : empty_shapes) {
        SCOPED_TRACE(shape.name);
        const ReferenceProblem p = make_problem(spec, shape);
        const KernelResult result = run(p, shape);
        for (int64_t row = 0; row < p.batch * p.num_heads * p.seq_len_q; row++) {
            const int64_t b = row / p.seq_len_q / p.num_heads, q = row % p.seq_len_q;
            bool seen = false;
            for (int64_t kv = 0; kv < p.seq_len_kv && !seen; kv++) seen = sees(p, b, 0, q, kv);
            if (seen) continue;
            for (int64_t d = 0; d < p.head_dim_v; d++) {
                ASSERT_EQ(result.output_bits[static_cast<size_t>(row * p.head_dim_v + d)], 0u) << describe(*kernel) << " " << row_name(p, row);
            }
            ASSERT_EQ(std::bit_cast<uint32_t>(result.lse[static_cast<size_t>(row)]), 0xff800000u) << describe(*kernel) << " " << row_name(p, row);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, HiddenNumbers, testing::ValuesIn(kernel_table()), kernel_name);

}  // namespace
}  // namespace attune::test

#include "generator/reference/rope.h"
#include "tests/reference/small_problem.h"

namespace attune {
namespace {

using test::random_problem;

RopeSpec rope_of(RopeSpec::Style style, int dims) {
    RopeSpec rope;
    rope.style = style;
    rope.dims = dims;
    return rope;
}

TEST(Rope, ByHand) {
    // dims 4: frequencies 1 and 1/100.
    std::vector<double> half = {1, 2, 3, 4, 5}, interleaved = half;
    Rotation(rope_of(RopeSpec::Style::half, 4)).turn(half.data(), 3);
    Rotation(rope_of(RopeSpec::Style::interleaved, 4)).turn(interleaved.data(), 3);
    const double c = std::cos(3.0), s = std::sin(3.0), c2 = std::cos(0.03), s2 = std::sin(0.03);
    const double expected_half[] = {c - 3 * s, 2 * c2 - 4 * s2, s + 3 * c, 2 * s2 + 4 * c2, 5};
    const double expected_interleaved[] = {c - 2 * s, s + 2 * c, 3 * c2 - 4 * s2, 3 * s2 + 4 * c2, 5};
    for (size_t d = 0; d < 5; d++) {
        EXPECT_NEAR(half[d], expected_half[d], 1e-14) << d;
        EXPECT_NEAR(interleaved[d], expected_interleaved[d], 1e-14) << d;
    }
}

/// Su et al.'s reason for it: a product depends on the distance of positions only.
TEST(Rope, ProductsDependOnDistance) {
    for (RopeSpec::Style style : {RopeSpec::Style::half, RopeSpec::Style::interleaved}) {
        const Rotation rotation(rope_of(style, 8));
        const auto product = [&](int64_t at_q, int64_t at_k) {
            std::vector<double> q = {1, -2, 3, 0.5, 0.25, 7, -1, 2}, k = {2, 1, -3, 4, 1, 0.125, -2, 1};
            rotation.turn(q.data(), at_q);
            rotation.turn(k.data(), at_k);
            double sum = 0;
            for (size_t d = 0; d < 8; d++) sum += q[d] * k[d];
            return sum;
        };
        EXPECT_NEAR(product(5, 2), product(1003, 1000), 1e-9);
        EXPECT_NEAR(product(-4, 9), product(0, 13), 1e-9);
    }
}

TEST(Rope, QueriesAreTurnedFromTheEndOfTheirKeys) {
    ReferenceProblem p = random_problem(3, 9, 6, 3, 2, 1, 2);
    p.lengths_q = {3, 1};
    p.lengths_kv = {9, 4};
    const ReferenceProblem before = p;
    const RopeSpec rope = rope_of(RopeSpec::Style::half, 4);
    rotate_query(p, rope);
    const int64_t first[] = {6, 3};
    for (int64_t b = 0; b < 2; b++)
        for (int64_t h = 0; h < 2; h++)
            for (int64_t q = 0; q < 3; q++) {
                const size_t at = static_cast<size_t>(((b * 2 + h) * 3 + q) * 6);
                std::vector<double> row(before.query.begin() + static_cast<std::ptrdiff_t>(at), before.query.begin() + static_cast<std::ptrdiff_t>(at) + 6);
                Rotation(rope).turn(row.data(), first[b] + q);
                for (size_t d = 0; d < 6; d++) {
                    EXPECT_EQ(p.query[at + d], row[d]);
                    if (d < 4) {
                        EXPECT_GE(p.query_terms[at + d], std::abs(row[d]) - 1e-12);
                    } else {
                        EXPECT_EQ(p.query_terms[at + d], 0.0);
                        EXPECT_EQ(row[d], before.query[at + d]);
                    }
                }
            }
    ReferenceProblem same = before;
    rotate_query(same, {});
    EXPECT_EQ(same.query, before.query);
    EXPECT_TRUE(same.query_terms.empty());
}

TEST(Rope, TermsWidenTheBound) {
    ReferenceProblem p = random_problem(1, 1), with = p;
    with.query_terms = {1, 2, 0, 0};
    const double more = reference_attention(with).lse_error[0] - reference_attention(p).lse_error[0];
    EXPECT_NEAR(more, 4 * 0x1p-24 * p.softmax_scale * (std::abs(p.key[0]) + 2 * std::abs(p.key[1])), 1e-12);
    with.query_terms.pop_back();
    EXPECT_THROW(reference_attention(with), std::invalid_argument);
}

}  // namespace
}  // namespace attune

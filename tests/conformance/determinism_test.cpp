// The bits of a row depend on that row's inputs alone, not on threads, batch position or neighbours.
#include "tests/conformance/kernels.h"

namespace attune::test {
namespace {

class Determinism : public KernelTable {
protected:
    const ShapeCase shape = {"tails", 2, 3, 1, 101, 133};
};

TEST_P(Determinism, AnyNumberOfThreadsGivesTheSameBits) {
    for (InputKind kind : {InputKind::normal, InputKind::wide_8}) {
        const ReferenceProblem p = make_problem(spec, shape, kind, 23);
        const KernelResult expected = run(p, shape);
        for (int threads : {2, 3, 7}) {
            expect_same_bits(p, run(p, shape, on_threads(threads)), expected, describe(*kernel) + " " + std::to_string(threads) + " threads");
        }
    }
}

TEST_P(Determinism, RepeatsGiveTheSameBits) {
    const ReferenceProblem p = make_problem(spec, shape, InputKind::wide_8, 24);
    const KernelResult expected = run(p, shape);
    for (int i = 0; i < 20; i++) expect_same_bits(p, run(p, shape, on_threads(1 + i % 3)), expected, describe(*kernel) + " repeat " + std::to_string(i));
}

TEST_P(Determinism, LayoutsGiveTheSameBits) {
    const ReferenceProblem p = make_problem(spec, shape, InputKind::wide_8, 25);
    const KernelResult expected = run(p, shape);
    for (Layout layout : {Layout::bshd, Layout::padded}) {
        ShapeCase other = shape;
        other.layout = layout;
        expect_same_bits(p, run(p, other), expected, describe(*kernel) + " layout " + std::to_string(static_cast<int>(layout)));
    }
}

/// The same sequence alone, in other places of a batch, with other neighbours, padded, and packed.
TEST_P(Determinism, PlaceInTheBatchAndNeighboursDoNotMatter) {
    const ShapeCase alone = {"alone", 1, 2, 1, 61, 93};
    const ReferenceProblem one = make_problem(spec, alone, InputKind::wide_8, 26);
    const KernelResult expected = run(one, alone);
    const ShapeCase contexts[] = {
        {"same_lengths", 3, 2, 1, 61, 93},
        {"padded", 3, 2, 1, 90, 140, {61, 61, 61}, {93, 93, 93}},
        {"other_neighbours", 3, 2, 1, 90, 140, {90, 61, 5}, {140, 93, 1}},
        {"empty_neighbours", 3, 2, 1, 90, 140, {0, 61, 5}, {140, 93, 0}},
        {"packed", 3, 2, 1, 90, 140, {90, 61, 5}, {140, 93, 1}, true},
        {"packed_padded", 3, 2, 1, 61, 140, {13, 61, 5}, {17, 93, 1}, true, Layout::padded},
    };
    for (const ShapeCase &context : contexts) {
        for (int64_t place = 0; place < context.batch; place++) {
            const size_t at = static_cast<size_t>(place);
            if (!context.lengths_q.empty() && (context.lengths_q[at] != 61 || context.lengths_kv[at] != 93)) continue;
            ReferenceProblem p = make_problem(spec, context, InputKind::normal, 27);
            const auto copy = [&](const std::vector<double> &from, std::vector<double> &to, int64_t heads, int64_t rows, int64_t rows_to, int dim) {
                for (int64_t h = 0; h < heads; h++) {
                    for (int64_t i = 0; i < rows * dim; i++) to[static_cast<size_t>((place * heads + h) * rows_to * dim + i)] = from[static_cast<size_t>(h * rows * dim + i)];
                }
            };
            copy(one.query, p.query, 2, 61, p.seq_len_q, p.head_dim);
            copy(one.key, p.key, 1, 93, p.seq_len_kv, p.head_dim);
            copy(one.value, p.value, 1, 93, p.seq_len_kv, p.head_dim_v);
            const KernelResult got = run(p, context, on_threads(2));
            KernelResult taken;
            for (int64_t h = 0; h < 2; h++) {
                for (int64_t q = 0; q < 61; q++) {
                    const size_t row = static_cast<size_t>((place * 2 + h) * p.seq_len_q + q), dim = static_cast<size_t>(p.head_dim_v);
                    taken.lse.push_back(got.lse[row]);
                    taken.output.insert(taken.output.end(), got.output.begin() + row * dim, got.output.begin() + (row + 1) * dim);
                    taken.output_bits.insert(taken.output_bits.end(), got.output_bits.begin() + row * dim, got.output_bits.begin() + (row + 1) * dim);
                }
            }
            expect_same_bits(one, taken, expected, describe(*kernel) + ": " + context.name + ", place " + std::to_string(place));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cpu, Determinism, testing::ValuesIn(kernel_table()), kernel_name);

}  // namespace
}  // namespace attune::test

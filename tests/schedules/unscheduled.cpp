#include "tests/schedules/unscheduled.h"
#include "generator/algorithm/attention.h"

#include "attune/kernel.h"

#include <stdexcept>

namespace attune::test {

using namespace Halide;

namespace {

/// A (dim, rows) buffer of f32 numbers.
Buffer<float> tensor(const std::vector<double> &from, int dim, int64_t rows) {
    Buffer<float> buffer(dim, static_cast<int>(rows));
    for (int64_t row = 0; row < rows; row++) {
        for (int d = 0; d < dim; d++) buffer(d, static_cast<int>(row)) = static_cast<float>(from[static_cast<size_t>(row * dim + d)]);
    }
    return buffer;
}

}  // namespace

namespace {

UnscheduledResult run(UnscheduledAlgorithm algorithm, const AttentionSpec &spec, const ReferenceProblem &p) {
    AttentionTask task(spec, BlockShape{4, 8, 16, 8, 4});
    AttentionStages stages;
    switch (algorithm) {
    case UnscheduledAlgorithm::fixed_reference: stages = define_fixed_reference_softmax(task); break;
    case UnscheduledAlgorithm::online: stages = define_online_softmax(task, false); break;
    case UnscheduledAlgorithm::online_split: stages = define_online_softmax(task, true); break;
    case UnscheduledAlgorithm::full_row: stages = define_full_row_softmax(task); break;
    }
    const int rows = static_cast<int>(p.seq_len_q), keys = static_cast<int>(p.seq_len_kv);
    Buffer<float> query = tensor(p.query, p.head_dim, rows), key = tensor(p.key, p.head_dim, keys), value = tensor(p.value, p.head_dim_v, keys);
    Buffer<float> key_bound(keys), reference(rows), output(p.head_dim_v, rows), lse(rows);
    Buffer<int> row_class(rows), row_state(rows);
    reference.fill(0);
    row_class.fill(int{ATTUNE_ROW_ONLINE});
    const auto set = [&](AttentionTask &t) {
        AttentionArguments &a = t.args;
        a.batch.set(0);
        a.head.set(0);
        a.kv_head.set(0);
        a.q_begin.set(0);
        a.seq_len_q.set(rows);
        a.seq_len_kv.set(keys);
        a.query.set(query);
        a.key.set(key);
        a.value.set(value);
        a.key_bound.set(key_bound);
        a.reference.set(reference);
        a.row_class.set(row_class);
    };
    if (algorithm == UnscheduledAlgorithm::fixed_reference) {
        AttentionTask classes(spec, task.shape);
        set(classes);
        RowClassStages row_classes = define_row_classes(classes);
        Pipeline(row_classes.key_bound).realize(key_bound);
        Pipeline({row_classes.reference, row_classes.row_class}).realize({reference, row_class});
    }
    set(task);
    // Halide cannot inline a reduction whose predicate reads a dimension of it (Symbol not found: accumulator.min.2): those two are stored.
    stages.accumulator.compute_root();
    if (stages.largest.defined()) stages.largest.compute_root();
    output.fill(0);
    lse.fill(0);
    Pipeline({stages.output, stages.lse, stages.row_state}).realize({output, lse, row_state});

    UnscheduledResult result;
    for (int row = 0; row < rows; row++) {
        for (int d = 0; d < p.head_dim_v; d++) result.output.push_back(output(d, row));
        result.lse.push_back(lse(row));
        result.row_state.push_back(row_state(row));
    }
    return result;
}

}  // namespace

UnscheduledResult run_unscheduled(UnscheduledAlgorithm algorithm, const AttentionSpec &spec, const ReferenceProblem &problem) {
    try {
        return run(algorithm, spec, problem);
    } catch (const Halide::Error &error) {
        throw std::runtime_error(error.what());  // GoogleTest prints those
    }
}

}  // namespace attune::test

#include "tests/schedules/unscheduled.h"
#include "generator/algorithm/attention.h"
#include "generator/algorithm/key_lanes.h"

#include "attune/kernel.h"
#include "generator/spec/evaluate.h"

#include <algorithm>
#include <stdexcept>

namespace attune::test {

using namespace Halide;

namespace {

/// Named, as the host that Halide finds may be one whose AVX-512 a hypervisor hides.
const Target jit_target("x86-64-linux-sse41");

/// A (dim, rows) buffer of f32 numbers.
Buffer<float> tensor(const std::vector<double> &from, int dim, int64_t rows) {
    Buffer<float> buffer(dim, static_cast<int>(rows));
    for (int64_t row = 0; row < rows; row++) {
        for (int d = 0; d < dim; d++) buffer(d, static_cast<int>(row)) = static_cast<float>(from[static_cast<size_t>(row * dim + d)]);
    }
    return buffer;
}

/// The visit lists of a task (attune/kernel.h), pair by pair: what the runtime makes of block states.
struct Visits {
    Visits(const AttentionSpec &spec, const BlockShape &shape, int rows, int keys, bool split) {
        Program mask({spec.mask ? spec.mask.root : make_boolean(true)});
        std::vector<std::vector<int>> full_columns, partial_columns;
        const int strips = shape.block_q / shape.strip;
        for (int chunk = 0; chunk * shape.block_kv < keys; chunk++) {
            std::vector<int> in_full(1 + strips, 0), in_partial(1 + strips, 0);
            in_full[0] = in_partial[0] = chunk;
            for (int s = 0; s < strips; s++) {
                int first = shape.tiles(), end = 0, visible = 0, pairs = 0;
                for (int q = s * shape.strip; q < std::min(rows, (s + 1) * shape.strip); q++) {
                    for (int kv = chunk * shape.block_kv; kv < (chunk + 1) * shape.block_kv; kv++, pairs++) {
                        Bindings bindings;
                        bindings[Variable::q] = q;
                        bindings[Variable::kv] = kv;
                        bindings[Variable::seq_len_q] = rows;
                        bindings[Variable::seq_len_kv] = keys;
                        if (kv >= keys || !mask.run(bindings, {})[0].integer) continue;
                        const int tile = kv % shape.block_kv / shape.tile_kv;
                        first = std::min(first, tile);
                        end = std::max(end, tile + 1);
                        visible++;
                    }
                }
                if (visible == 0) continue;
                if (split && visible == pairs) in_full[1 + s] = 1;
                else in_partial[1 + s] = 1 | first << ATTUNE_VISIT_FIRST_SHIFT | end << ATTUNE_VISIT_END_SHIFT;
            }
            const auto used = [](const std::vector<int> &column) { return std::any_of(column.begin() + 1, column.end(), [](int s) { return s; }); };
            if (used(in_full)) full_columns.push_back(in_full);
            if (used(in_partial)) partial_columns.push_back(in_partial);
        }
        // Stages that are stored whole want one visit at least; this one is nobody's.
        for (auto *columns : {&full_columns, &partial_columns})
            if (columns->empty()) columns->emplace_back(1 + strips, 0);
        full = buffer(full_columns, 1 + strips);
        partial = buffer(partial_columns, 1 + strips);
    }
    static Buffer<int> buffer(const std::vector<std::vector<int>> &columns, int height) {
        Buffer<int> list(height, static_cast<int>(columns.size()));
        for (int c = 0; c < list.dim(1).extent(); c++)
            for (int i = 0; i < height; i++) list(i, c) = columns[static_cast<size_t>(c)][static_cast<size_t>(i)];
        return list;
    }
    Buffer<int> full, partial;
};

UnscheduledResult run(UnscheduledAlgorithm algorithm, const AttentionSpec &spec, const ReferenceProblem &p) {
    const int rows = static_cast<int>(p.seq_len_q), keys = static_cast<int>(p.seq_len_kv);
    const BlockShape shape{.vector = 4, .strip = 8, .block_q = std::max(8, (rows + 7) / 8 * 8), .block_kv = 8, .tile_kv = 4, .tile_d = 4, .fold = 1};
    AttentionTask task(spec, shape);
    AttentionStages stages;
    switch (algorithm) {
    case UnscheduledAlgorithm::fixed_reference: stages = define_fixed_reference_softmax(task); break;
    case UnscheduledAlgorithm::online: stages = define_online_softmax(task, false); break;
    case UnscheduledAlgorithm::online_split: stages = define_online_softmax(task, true); break;
    case UnscheduledAlgorithm::full_row: stages = define_full_row_softmax(task); break;
    case UnscheduledAlgorithm::key_lanes: {
        KeyLanesStages of = define_key_lanes(task);
        for (Func *f : {&of.scores, &of.lane_maximum, &of.maximum, &of.lane_sums, &of.sum, &of.weighted}) f->compute_root();
        stages.accumulator = of.accumulator;
        stages.output = of.output;
        stages.lse = of.lse;
        stages.row_state = of.row_state;
        break;
    }
    }
    Buffer<float> query = tensor(p.query, p.head_dim, rows).embedded(1), key = tensor(p.key, p.head_dim, keys), value = tensor(p.value, p.head_dim_v, keys);
    Buffer<float> key_norms(keys), reference(rows), output(p.head_dim_v, 1, rows), lse(rows);
    Buffer<int> row_class(rows), row_state(rows);
    reference.fill(0);
    row_class.fill(int{ATTUNE_ROW_ONLINE});
    Visits visits(spec, shape, rows, keys, algorithm == UnscheduledAlgorithm::fixed_reference || algorithm == UnscheduledAlgorithm::online_split);
    const auto set = [&](AttentionTask &t) {
        AttentionArguments &a = t.args;
        a.batch.set(0);
        a.head.set(0);
        a.kv_head.set(0);
        a.q_begin.set(0);
        a.seq_len_q.set(rows);
        a.seq_len_kv.set(keys);
        a.num_positions.set(rows);
        a.full.set(visits.full);
        a.partial.set(visits.partial);
        a.query.set(query);
        a.key.set(key);
        a.value.set(value);
        a.key_norms.set(key_norms);
        a.reference.set(reference);
        a.row_class.set(row_class);
    };
    if (algorithm == UnscheduledAlgorithm::fixed_reference) {
        AttentionTask classes(spec, task.shape);
        set(classes);
        Pipeline(define_key_norms(classes).norms).realize(key_norms, jit_target);
        RowClassStages row_classes = define_row_classes(classes);
        for (WholeChunks &chunks : row_classes.whole)
            for (Func f : {chunks.norm, chunks.largest, chunks.last}) f.compute_root();
        row_classes.seen.compute_root();
        Pipeline(row_classes.result).realize({reference, row_class}, jit_target);
    }
    set(task);
    // Halide cannot inline a reduction whose predicate reads a dimension of it (Symbol not found: accumulator.min.2): those two are stored.
    stages.accumulator.compute_root();
    if (stages.largest.defined()) stages.largest.compute_root();
    if (stages.reference.defined()) stages.reference.compute_root();
    for (ChunkStages *chunk : {&stages.full, &stages.partial})
        for (Func *f : {&chunk->logits, &chunk->maximum, &chunk->weights, &chunk->row_sums, &chunk->weighted})
            if (f->defined() && f->has_update_definition()) f->compute_root();
    output.fill(0);
    lse.fill(0);
    Pipeline({stages.output, stages.lse, stages.row_state}).realize({output, lse, row_state}, jit_target);

    UnscheduledResult result;
    for (int row = 0; row < rows; row++) {
        for (int d = 0; d < p.head_dim_v; d++) result.output.push_back(output(d, 0, row));
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

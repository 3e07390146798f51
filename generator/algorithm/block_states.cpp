#include "attune/kernel.h"
#include "generator/algorithm/attention.h"
#include "generator/plan/block_plan.h"

namespace attune {

using namespace Halide;

namespace {

/// What block plans read: the rows first … last of the task.
ExpressionInputs block_inputs(const AttentionTask &task, const Expr &first_row, const Expr &last_row) {
    ExpressionInputs inputs = task.inputs(Expr(), Expr(), Expr());
    for (Variable point : {Variable::q, Variable::h, Variable::kv})
        inputs.variables.erase(point);
    inputs.variables[Variable::q_first] = task.position(first_row);
    inputs.variables[Variable::q_last] = task.position(last_row);
    // All heads of the group, though a short block may hold some only.
    inputs.variables[Variable::h_first] = task.args.head;
    inputs.variables[Variable::h_last] = task.args.head + (task.shape.fold - 1);
    return inputs;
}

}  // namespace

int num_key_ranges(const AttentionSpec &spec) {
    return static_cast<int>(plan_blocks(spec.mask.root, spec.params).ranges.size());
}

Func define_key_ranges(const AttentionTask &task) {
    const BlockPlan plan = plan_blocks(task.spec.mask.root, task.spec.params);
    const ExpressionInputs inputs = block_inputs(task, 0, task.rows() - 1);
    Var n("n");
    Func ranges("ranges");
    ranges(n) = undef<int>();
    for (size_t i = 0; i < plan.ranges.size(); i++) {
        // Into 32 bits, where ends far outside mean the same as the sequence's own.
        auto position = [&](const ExprPtr &e) {
            return cast<int>(clamp(cast<int64_t>(to_halide(e, inputs)), Expr(int64_t(-1)), Expr(largest_length)));
        };
        ranges(static_cast<int>(2 * i)) = position(plan.ranges[i].first);
        ranges(static_cast<int>(2 * i + 1)) = position(plan.ranges[i].last);
    }
    return ranges;
}

Func define_block_states(const AttentionTask &task) {
    const BlockPlan plan = plan_blocks(task.spec.mask.root, task.spec.params);
    Var n("n"), strip("strip");
    const Expr first_row = task.existing_row(strip * task.args.strip_rows);
    const Expr last_row = task.existing_row(strip * task.args.strip_rows + task.args.strip_rows - 1);
    ExpressionInputs inputs = block_inputs(task, first_row, last_row);
    const Expr first = task.args.first_keys(n), end = first + task.args.block_keys, keys = task.args.seq_len_kv;
    inputs.variables[Variable::kv_first] = min(first, keys - 1);
    inputs.variables[Variable::kv_last] = min(end, keys) - 1;
    const Expr exists = first < keys && strip * task.args.strip_rows < task.rows();
    const Expr some = exists && to_halide(plan.some, inputs), all = end <= keys && to_halide(plan.all, inputs);
    Func states("states");
    states(n, strip) = cast<uint8_t>(select(!some, ATTUNE_BLOCK_EMPTY, all, ATTUNE_BLOCK_FULL, ATTUNE_BLOCK_PARTIAL));
    return states;
}

}  // namespace attune

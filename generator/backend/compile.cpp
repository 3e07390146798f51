#include "generator/backend/code_generator.h"
#include "generator/backend/lowering.h"
#include "generator/backend/scratch_bytes.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <chrono>

namespace attune {

attune_kernel_variant planned_sizes(const KernelPlan &plan) {
    const int vector = plan.target->vector;
    attune_kernel_variant sizes{};
    sizes.features = plan.target->features;
    sizes.most_seq_len_q = plan.calls.most_seq_len_q;
    sizes.most_seq_len_kv = plan.calls.most_seq_len_kv;
    sizes.num_ranges = plan.spec.mask ? num_key_ranges(plan.spec) : 0;
    if (is_linear(plan.spec)) {
        const LinearShape shape = linear_shape(plan);
        sizes.num_ranges = 0;
        sizes.fold = shape.fold;
        sizes.block_q = sizes.block_kv = sizes.tile_kv = shape.chunk;
        sizes.strip_rows = shape.rows();
        sizes.strips = 1;
        sizes.state_columns = shape.columns(plan.spec.head_dim_v);
        sizes.state_rows = shape.head_dims(plan.spec.head_dim);
        sizes.asks = linear_asks(plan.spec, shape);
        sizes.corrects_state = plan.spec.beta.empty() ? 0 : 1;
        return sizes;
    }
    if (plan.spec.decode) {
        // The whole of a call's rows is one block; there are no strips.
        const CpuSplitParameters parameters = split_schedule_parameters(plan);
        const BlockShape shape = cpu_split_shape(plan.spec, parameters, vector);
        sizes.fold = shape.fold;
        sizes.block_q = split_positions;
        sizes.strip_rows = shape.strip;
        sizes.strips = 1;
        sizes.block_kv = shape.block_kv;
        sizes.tile_kv = shape.tile_kv;
        sizes.exact_splits = 1;
        sizes.asks = split_asks(AttentionTask(plan.spec, shape, {}), parameters);
        if (has_split_rows(plan))
            sizes.split_rows_asks = split_row_asks(AttentionTask(plan.spec, shape, {}), plan.target->registers);
        sizes.part_columns = split_value_columns(plan.spec, vector) + vector;
        return sizes;
    }
    if (has_keys_in_lanes(plan.spec, *plan.target)) {
        const BlockShape shape = key_lanes_shape(plan);
        sizes.fold = shape.fold;
        sizes.block_q = shape.block_q / shape.fold;
        sizes.strip_rows = shape.strip;
        sizes.strips = shape.block_q / shape.strip;
        sizes.block_kv = sizes.tile_kv = shape.block_kv;
        sizes.asks = key_lanes_asks;
        return sizes;
    }
    const CpuScheduleParameters parameters = cpu_schedule_parameters(plan);
    sizes.fold = parameters.fold;
    sizes.block_q = plan.spec.block_mask ? plan.spec.block_size_q : parameters.block_q / parameters.fold;
    sizes.strip_rows = parameters.tile_q * vector;
    sizes.strips = parameters.block_q / sizes.strip_rows;
    sizes.block_kv = parameters.block_kv;
    const BlockShape shape = cpu_block_shape(parameters, vector);
    sizes.tile_kv = shape.tile_kv;
    sizes.asks = partial_asks(plan.spec, shape);
    // The fallback of the fixed reference has one path for all chunks.
    sizes.exact_splits = !is_softmax(plan.spec.normalizer) || plan.spec.algorithm == Algorithm::online;
    return sizes;
}

CompiledVariant compile_variant(const KernelPlan &plan, const CompileOptions &options) {
    const auto start = std::chrono::steady_clock::now();
    CompiledVariant variant;
    variant.plan = plan;
    variant.sizes = planned_sizes(plan);
    for (TaskFunction function : task_functions(plan)) {
        const std::string symbol = task_symbol(plan, function);
        ScheduledFunction scheduled = schedule_function(plan, function, options);
        Halide::Module module = scheduled.pipeline.compile_to_module(scheduled.arguments, symbol, halide_target(*plan.target, options),
                                                                     Halide::LinkageType::ExternalPlusArgv);
        ScratchBytes scratch;
        for (const auto &lowered : module.functions())
            lowered.body.accept(&scratch);
        const bool full_row = softmax_algorithm(plan.spec) == Algorithm::full_row && function == TaskFunction::exact;
        const bool keys_in_lanes = full_row && has_keys_in_lanes(plan.spec, *plan.target);
        // Logits; with keys in lanes keys and weights too, values where they are converted, and rows of arrays.
        const int arrays = keys_in_lanes ? static_cast<int>(row_key_elements(plan.spec, true).size()) : 0;
        const bool expected =
            keys_in_lanes ? scratch.dynamic - arrays == 3 || scratch.dynamic - arrays == 4 : scratch.dynamic == (full_row ? 1 : 0);
        if (!expected && !options.asserts)
            throw internal_error(symbol, std::to_string(scratch.dynamic) + " allocations of variable size");
        if (full_row)
            variant.sizes.scratch_bytes_per_key =
                keys_in_lanes ? key_lanes_scratch_per_key(plan.spec, key_lanes_shape(plan)) : int64_t(4) * variant.sizes.strip_rows;
        variant.sizes.scratch_bytes =
            std::max(variant.sizes.scratch_bytes, scratch.constant + scratch.dynamic * (ScratchBytes::block_overhead + 64));
        variant.objects.push_back(
            {symbol + ".o",
             generate_code(module, *plan.target, CodeForm::object,
                           {.own_runtime = !options.asserts, .inline_asks = asks_between_products(function), .emulate = options.emulate})});
    }
    variant.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return variant;
}

}  // namespace attune

#include "generator/backend/lowering.h"
#include "generator/backend/accumulated_contractions.h"
#include "generator/backend/ask_ahead.h"
#include "generator/backend/code_generator.h"
#include "generator/backend/interleaved_contractions.h"
#include "generator/backend/kept_sums.h"
#include "generator/backend/running_sums.h"
#include "generator/backend/tile_contractions.h"
#include "generator/spec/error.h"
#include "schedules/visit_loop.h"

namespace attune {

namespace {

class Reporter : public Halide::CompileTimeErrorReporter {
    void warning(const char *) override {}
    void error(const char *message) override { throw internal_error("Halide", message); }
};

}  // namespace

void report_errors_as_ours() {
    static Reporter reporter;
    Halide::set_custom_compile_time_error_reporter(&reporter);
}

const char *task_function_name(TaskFunction function) {
    switch (function) {
    case TaskFunction::key_norms:
        return "key_norms";
    case TaskFunction::key_ranges:
        return "key_ranges";
    case TaskFunction::block_states:
        return "block_states";
    case TaskFunction::row_reference:
        return "row_reference";
    case TaskFunction::fixed:
        return "fixed";
    case TaskFunction::pairs:
        return "pairs";
    case TaskFunction::split:
        return "split";
    case TaskFunction::split_rows:
        return "split_rows";
    case TaskFunction::combine:
        return "combine";
    case TaskFunction::append:
        return "append";
    case TaskFunction::linear_read:
        return "linear_read";
    case TaskFunction::linear_update:
        return "linear_update";
    case TaskFunction::exact:
        break;
    }
    return "exact";
}

bool has_fixed_reference(const AttentionSpec &spec) {
    const Algorithm algorithm = softmax_algorithm(spec);
    return !spec.decode && is_softmax(spec.normalizer) && algorithm != Algorithm::online && algorithm != Algorithm::full_row;
}

bool has_split_rows(const KernelPlan &plan) {
    const KvCacheSpec &cache = plan.spec.cache;
    // Latents, 16 heads on one: 4 % slower on avx2, 2 % on avx512. Heads with keys of their own sum over four times as many lanes, whose code is 65 KB.
    return plan.spec.decode && plan.spec.group > 1 && cache.dtype == KvDType::same && !cache.values_in_key &&
           !split_schedule_parameters(plan).matrix_tiles;
}

bool asks_between_products(TaskFunction function) {
    return function == TaskFunction::split_rows;
}

std::vector<TaskFunction> task_functions(const KernelPlan &plan) {
    if (is_linear(plan.spec))
        return {TaskFunction::linear_read, TaskFunction::linear_update};
    std::vector<TaskFunction> functions = {TaskFunction::exact};
    if (plan.spec.decode) {
        functions = {TaskFunction::split, TaskFunction::combine, TaskFunction::append};
        if (has_split_rows(plan))
            functions.push_back(TaskFunction::split_rows);
    }
    if (has_fixed_reference(plan.spec))
        functions.insert(functions.begin(), {TaskFunction::key_norms, TaskFunction::row_reference, TaskFunction::fixed});
    if (plan.spec.mask)
        functions.insert(functions.begin(), {TaskFunction::key_ranges, TaskFunction::block_states});
    if (plan.spec.pairs_output != PairsOutput::none)
        functions.push_back(TaskFunction::pairs);
    return functions;
}

std::string task_symbol(const KernelPlan &plan, TaskFunction function) {
    return plan.spec.name + "__" + plan.target->name + plan.calls.name() + "_" + task_function_name(function);
}

Halide::Target halide_target(const CpuTarget &target, const CompileOptions &options) {
    using Halide::Target;
    Target halide(target.halide);
    halide.set_features({Target::NoRuntime, Target::UserContext});
    if (options.asserts) {
        halide.set_feature(Target::CheckUnsafePromises);
    } else {
        halide.set_features({Target::NoAsserts, Target::NoBoundsQuery});
    }
    if (options.asan)
        halide.set_feature(Target::ASAN);
    return halide;
}

namespace {

BlockShape task_shape(const KernelPlan &plan, TaskFunction function) {
    if (plan.spec.decode)
        return cpu_split_shape(plan.spec, split_schedule_parameters(plan), plan.target->vector);
    if (has_keys_in_lanes(plan.spec, *plan.target))
        return key_lanes_shape(plan);
    BlockShape shape = cpu_block_shape(cpu_schedule_parameters(plan), plan.target->vector);
    if (function != TaskFunction::fixed) {
        // What the others compute is f32: `exact` takes the rows whose numbers leave a smaller type's range. Pairs have the range of f32.
        shape.scores = shape.scores == Products::bf16_pairs ? Products::bf16_pairs : Products::f32;
        shape.values = Products::f32;
        shape.matrix_tiles = false;
    }
    return shape;
}

}  // namespace

namespace {

ScheduledFunction schedule_linear(const KernelPlan &plan, TaskFunction function, bool scheduled) {
    const CpuLinearParameters parameters = linear_schedule_parameters(plan);
    const auto task = std::make_shared<LinearTask>(plan.spec, linear_shape(plan));
    if (function == TaskFunction::linear_read) {
        LinearReadStages stages = task->define_read();
        if (scheduled)
            schedule_cpu_linear_read(*task, stages, parameters);
        Halide::Pipeline pipeline(stages.outputs());
        if (scheduled && linear_asks(task->spec, task->shape) > 0)
            ask_ahead(pipeline);
        return {task, pipeline, task->of_read()};
    }
    LinearUpdateStages stages = task->define_update();
    if (scheduled)
        schedule_cpu_linear_update(*task, stages);
    return {task, Halide::Pipeline(stages.outputs()), task->of_update()};
}

/// The arguments of what computes a block's rows.
std::vector<Halide::Argument> of_rows(const AttentionArguments &args) {
    return args.with_block({args.full, args.partial, args.query, args.key, args.value, args.reference, args.row_class});
}

/// Asks for the next task's rows where the schedule says so.
ScheduledFunction key_lanes_function(const KernelPlan &plan, const std::shared_ptr<AttentionTask> &task, bool scheduled) {
    KeyLanesStages stages = define_key_lanes(*task);
    if (scheduled)
        schedule_cpu_key_lanes(*task, stages, key_lanes_schedule_parameters(plan));
    Halide::Pipeline pipeline({stages.output, stages.lse, stages.row_state});
    if (scheduled)
        ask_ahead(pipeline);
    return {task, pipeline, of_rows(task->args)};
}

}  // namespace

ScheduledFunction schedule_function(const KernelPlan &plan, TaskFunction function, const CompileOptions &options, bool scheduled) {
    report_errors_as_ours();
    if (is_linear(plan.spec))
        return schedule_linear(plan, function, scheduled);
    const auto task = std::make_shared<AttentionTask>(plan.spec, task_shape(plan, function),
                                                      has_llvm_backend() && !options.twins ? plan.target->machine : MachineOperations{});
    const AttentionArguments &args = task->args;
    switch (function) {
    case TaskFunction::key_norms: {
        KeyNormStages stages = define_key_norms(*task);
        if (scheduled)
            schedule_cpu_key_norms(*task, stages);
        return {task, Halide::Pipeline(stages.norms), {args.key}};
    }
    case TaskFunction::key_ranges:
        return {task, Halide::Pipeline(define_key_ranges(*task)), args.with_block({})};
    case TaskFunction::block_states: {
        Halide::Func states = define_block_states(*task);
        if (scheduled)
            schedule_cpu_block_states(*task, states);
        return {task, Halide::Pipeline(states), args.with_block({args.strip_rows, args.block_keys, args.first_keys})};
    }
    case TaskFunction::row_reference: {
        RowClassStages stages = define_row_classes(*task);
        if (scheduled)
            schedule_cpu_row_classes(*task, stages);
        return {task, Halide::Pipeline(stages.result), args.with_block({args.full, args.partial, args.query, args.key, args.key_norms})};
    }
    case TaskFunction::pairs: {
        PairsStages stages = define_pairs(*task);
        if (scheduled)
            schedule_cpu_pairs(*task, stages);
        return {task, Halide::Pipeline(stages.pairs), args.with_block({args.query, args.key, args.lse})};
    }
    case TaskFunction::split: {
        const CpuSplitParameters parameters = split_schedule_parameters(plan);
        const bool asks = scheduled && split_asks(*task, parameters) > 0;
        if (task->shape.matrix_tiles && plan.spec.cache.dtype != KvDType::same) {
            SplitIntegerStages stages = define_split_integers(*task);
            if (scheduled)
                schedule_cpu_split_integers(*task, stages);
            Halide::Pipeline pipeline(stages.split.part);
            if (asks)
                ask_ahead(pipeline);
            if (scheduled && !options.twins) {
                contract_in_tiles(pipeline, {products_of_ask, ""});
                keep_sums_in_tiles(pipeline);
            }
            return {task, pipeline, args.of_split()};
        }
        if (task->shape.matrix_tiles) {
            SplitTileStages stages = define_split_tiles(*task);
            if (scheduled)
                schedule_cpu_split_tiles(*task, stages);
            Halide::Pipeline pipeline(stages.part);
            if (asks)
                ask_ahead(pipeline);
            if (scheduled && !options.twins)
                contract_in_tiles(pipeline, {products_of_ask, ""});
            return {task, pipeline, args.of_split()};
        }
        SplitStages stages = define_split_kv(*task);
        if (scheduled)
            schedule_cpu_split_kv(*task, stages, parameters);
        Halide::Pipeline pipeline(stages.part);
        if (asks)
            ask_ahead(pipeline);
        return {task, pipeline, args.of_split()};
    }
    case TaskFunction::split_rows: {
        SplitRowStages stages = define_split_rows(*task);
        if (scheduled)
            schedule_cpu_split_rows(*task, stages, plan.target->registers);
        Halide::Pipeline pipeline(stages.part);
        if (scheduled)
            ask_ahead(pipeline);
        return {task, pipeline, args.of_split()};
    }
    case TaskFunction::combine: {
        CombineStages stages = define_combine(*task);
        if (scheduled)
            schedule_cpu_combine(*task, stages);
        return {task, Halide::Pipeline({stages.output, stages.lse}), args.with_block({args.parts})};
    }
    case TaskFunction::append: {
        AppendStages stages = define_append(*task);
        if (scheduled)
            schedule_cpu_append(*task, stages);
        return {task, Halide::Pipeline(stages.outputs), args.of_append()};
    }
    default:
        break;
    }
    if (has_keys_in_lanes(plan.spec, *plan.target))
        return key_lanes_function(plan, task, scheduled);
    const CpuScheduleParameters parameters = cpu_schedule_parameters(plan);
    AttentionStages stages;
    if (function == TaskFunction::fixed) {
        stages = define_fixed_reference_softmax(*task);
        if (scheduled)
            schedule_cpu_fixed_reference(*task, stages, parameters);
    } else if (!is_softmax(plan.spec.normalizer)) {
        stages = define_single_weights(*task);
        if (scheduled)
            schedule_cpu_fixed_reference(*task, stages, parameters);
    } else if (softmax_algorithm(plan.spec) == Algorithm::full_row) {
        stages = define_full_row_softmax(*task);
        if (scheduled)
            schedule_cpu_full_row(*task, stages, parameters);
    } else {
        stages = define_online_softmax(*task, plan.spec.algorithm == Algorithm::online);
        if (scheduled)
            schedule_cpu_online(*task, stages, parameters);
    }
    Halide::Pipeline pipeline({stages.output, stages.lse, stages.row_state});
    const bool in_tiles = parameters.matrix_tiles && function == TaskFunction::fixed;
    if (scheduled && (!in_tiles || partial_asks(plan.spec, task->shape) > 0))
        ask_ahead(pipeline);
    if (scheduled && in_tiles && !options.twins && has_llvm_backend()) {
        contract_in_tiles(pipeline, {products_of_partial_ask, "_partial"});
        accumulate_contractions(pipeline);
        interleave_contractions(pipeline);
        take_running_sums(pipeline);
    }
    return {task, pipeline, of_rows(args)};
}

}  // namespace attune

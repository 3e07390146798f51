#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

namespace attune {

namespace {

/// Halide's errors become ours; its warnings (that half types are emulated, for one) are no news to a user of Attune.
class Reporter : public Halide::CompileTimeErrorReporter {
    void warning(const char *) override {}
    void error(const char *message) override { throw internal_error("Halide", message); }
};

void report_errors_as_ours() {
    static Reporter reporter;
    Halide::set_custom_compile_time_error_reporter(&reporter);
}

}  // namespace

const char *task_function_name(TaskFunction function) {
    switch (function) {
    case TaskFunction::key_bound:
        return "key_bound";
    case TaskFunction::row_reference:
        return "row_reference";
    case TaskFunction::fixed:
        return "fixed";
    case TaskFunction::exact:
        break;
    }
    return "exact";
}

std::vector<TaskFunction> task_functions(const KernelPlan &plan) {
    if (plan.spec.algorithm == Algorithm::online || plan.spec.algorithm == Algorithm::full_row)
        return {TaskFunction::exact};
    return {TaskFunction::key_bound, TaskFunction::row_reference, TaskFunction::fixed, TaskFunction::exact};
}

std::string task_symbol(const KernelPlan &plan, TaskFunction function) {
    return plan.spec.name + "__" + plan.target->name + "_" + task_function_name(function);
}

Halide::Target halide_target(const KernelPlan &plan, const CompileOptions &options) {
    using Halide::Target;
    Target target(plan.target->halide);
    target.set_features({Target::NoRuntime, Target::UserContext});
    if (options.asserts) {
        target.set_feature(Target::CheckUnsafePromises);
    } else {
        target.set_features({Target::NoAsserts, Target::NoBoundsQuery});
    }
    if (options.asan)
        target.set_feature(Target::ASAN);
    return target;
}

ScheduledFunction schedule_function(const KernelPlan &plan, TaskFunction function, bool scheduled) {
    report_errors_as_ours();
    const CpuScheduleParameters parameters = cpu_schedule_parameters(plan);
    const auto task = std::make_shared<AttentionTask>(plan.spec, cpu_block_shape(parameters, plan.target->vector));
    if (function == TaskFunction::key_bound || function == TaskFunction::row_reference) {
        RowClassStages stages = define_row_classes(*task);
        if (scheduled)
            schedule_cpu_row_classes(*task, stages);
        if (function == TaskFunction::key_bound)
            return {task, Halide::Pipeline(stages.key_bound), {task->args.key}};
        return {task, Halide::Pipeline({stages.reference, stages.row_class}), task->args.of_reference_function()};
    }
    AttentionStages stages;
    if (function == TaskFunction::fixed) {
        stages = define_fixed_reference_softmax(*task);
        if (scheduled)
            schedule_cpu_fixed_reference(*task, stages, parameters);
    } else if (plan.spec.algorithm == Algorithm::full_row) {
        stages = define_full_row_softmax(*task);
        if (scheduled)
            schedule_cpu_full_row(*task, stages, parameters);
    } else {
        stages = define_online_softmax(*task, plan.spec.algorithm == Algorithm::online);
        if (scheduled)
            schedule_cpu_online(*task, stages, parameters);
    }
    return {task, Halide::Pipeline({stages.output, stages.lse, stages.row_state}), task->args.of_rows_function()};
}

}  // namespace attune

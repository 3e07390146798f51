#pragma once
#include "generator/backend/kernel.h"
#include "schedules/cpu_key_lanes.h"
#include "schedules/cpu_linear.h"
#include "schedules/cpu_query_lanes.h"
#include "schedules/cpu_split_integer_tiles.h"
#include "schedules/cpu_split_kv.h"
#include "schedules/cpu_split_rows.h"
#include "schedules/cpu_split_tiles.h"

#include <memory>

namespace attune {

/// Names of the task functions, after "<kernel>__<target>_": attune_kernel_variant has a pointer for each.
enum class TaskFunction {
    key_norms,
    key_ranges,
    block_states,
    row_reference,
    fixed,
    exact,
    pairs,
    split,
    combine,
    append,
    split_rows,
    linear_read,
    linear_update
};
const char *task_function_name(TaskFunction function);
bool has_fixed_reference(const AttentionSpec &spec);
/// Decode has a function for many rows: not in matrix tiles, which take 16 at once, of caches of integers, of latents, or of heads with keys of their own.
bool has_split_rows(const KernelPlan &plan);
/// A function asks ahead in loops whose sums are in registers.
bool asks_between_products(TaskFunction function);
/// The functions that a plan's kernel has.
std::vector<TaskFunction> task_functions(const KernelPlan &plan);
/// "minilm_attention__avx512_fixed", "minilm_attention__avx512_q64_fixed"
std::string task_symbol(const KernelPlan &plan, TaskFunction function);

/// Full rows with keys in lanes: the exact function of a plan is define_key_lanes.
bool has_keys_in_lanes(const AttentionSpec &spec, const CpuTarget &target);

/// The plan's parameters as the schedules take them: of prefill, of full rows with keys in lanes, of decode, of linear attention.
CpuScheduleParameters cpu_schedule_parameters(const KernelPlan &plan);
CpuKeyLanesParameters key_lanes_schedule_parameters(const KernelPlan &plan);
BlockShape key_lanes_shape(const KernelPlan &plan);
CpuSplitParameters split_schedule_parameters(const KernelPlan &plan);
CpuLinearParameters linear_schedule_parameters(const KernelPlan &plan);
LinearShape linear_shape(const KernelPlan &plan);

/// A pipeline with its arguments, ready to be lowered. Without `scheduled` it is the bare algorithm: every reduction for itself.
struct ScheduledFunction {
    std::shared_ptr<const void> task;  ///< owns the parameters
    Halide::Pipeline pipeline;
    std::vector<Halide::Argument> arguments;
};
ScheduledFunction schedule_function(const KernelPlan &plan, TaskFunction function, const CompileOptions &options = {},
                                    bool scheduled = true);

/// Halide's errors become ours; its warnings (that half types are emulated, for one) are no news to a user of Attune.
void report_errors_as_ours();
Halide::Target halide_target(const CpuTarget &target, const CompileOptions &options);

}  // namespace attune

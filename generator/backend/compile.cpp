#include "generator/backend/lowering.h"
#include "generator/backend/object.h"
#include "generator/spec/error.h"

#include <chrono>
#include <fstream>
#include <unistd.h>

namespace attune {

namespace {

/// Adds up what a lowered function takes from the scratch: every allocation that Halide puts on neither stack nor register.
/// Sums are upper bounds: allocations that follow each other are counted both.
class ScratchBytes : public Halide::Internal::IRVisitor {
public:
    int64_t constant = 0;
    int dynamic = 0;  ///< allocations whose size depends on the call

private:
    using IRVisitor::visit;
    void visit(const Halide::Internal::Allocate *op) override {
        IRVisitor::visit(op);
        using Halide::MemoryType;
        if (op->memory_type == MemoryType::Stack || op->memory_type == MemoryType::Register) return;
        const int64_t bytes = int64_t(op->constant_allocation_size()) * op->type.bytes();
        constexpr int64_t largest_on_stack = 16 << 10;  // Halide's rule for MemoryType::Auto
        if (bytes == 0) {
            dynamic++;
        } else if (op->memory_type == MemoryType::Heap || bytes > largest_on_stack) {
            constant += (bytes + 255) / 64 * 64;  // alignment, and Halide's padding of a vector
        }
    }
};

std::vector<char> read_bytes(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class TemporaryFile {
public:
    explicit TemporaryFile(const std::string &suffix) {
        const char *folder = std::getenv("TMPDIR");
        path = std::string(folder && *folder ? folder : "/tmp") + "/attune-XXXXXX" + suffix;
        const int file = mkstemps(path.data(), static_cast<int>(suffix.size()));
        if (file < 0) {
            throw Error({ErrorCode::input, "TMPDIR", path, "a folder that can be written", "set TMPDIR to one", "", 0, 0});
        }
        close(file);
    }
    ~TemporaryFile() { unlink(path.c_str()); }
    TemporaryFile(const TemporaryFile &) = delete;
    std::string path;
};

[[noreturn]] void rethrow(const Halide::Error &error) {
    throw Error({ErrorCode::internal, "Halide", "", error.what(), "please report this with the specification", "", 0, 0});
}

}  // namespace

const char *task_function_name(TaskFunction function) {
    switch (function) {
    case TaskFunction::key_bound: return "key_bound";
    case TaskFunction::row_reference: return "row_reference";
    case TaskFunction::fixed: return "fixed";
    case TaskFunction::exact: break;
    }
    return "exact";
}

std::vector<TaskFunction> task_functions(const KernelPlan &plan) {
    if (plan.spec.algorithm == Algorithm::online || plan.spec.algorithm == Algorithm::full_row) return {TaskFunction::exact};
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
    if (options.asan) target.set_feature(Target::ASAN);
    return target;
}

ScheduledFunction schedule_function(const KernelPlan &plan, TaskFunction function) {
    const CpuScheduleParameters parameters = cpu_schedule_parameters(plan);
    const auto task = std::make_shared<AttentionTask>(plan.spec, cpu_block_shape(parameters, plan.target->vector));
    if (function == TaskFunction::key_bound || function == TaskFunction::row_reference) {
        RowClassStages stages = define_row_classes(*task);
        schedule_cpu_row_classes(*task, stages);
        if (function == TaskFunction::key_bound) return {task, Halide::Pipeline(stages.key_bound), {task->args.key}};
        return {task, Halide::Pipeline({stages.reference, stages.row_class}), task->args.of_reference_function()};
    }
    AttentionStages stages;
    if (function == TaskFunction::fixed) {
        stages = define_fixed_reference_softmax(*task);
        schedule_cpu_fixed_reference(*task, stages, parameters);
    } else if (plan.spec.algorithm == Algorithm::full_row) {
        stages = define_full_row_softmax(*task);
        schedule_cpu_full_row(*task, stages, parameters);
    } else {
        stages = define_online_softmax(*task, plan.spec.algorithm == Algorithm::online);
        schedule_cpu_online(*task, stages, parameters);
    }
    return {task, Halide::Pipeline({stages.output, stages.lse, stages.row_state}), task->args.of_rows_function()};
}

CompiledVariant compile_variant(const KernelPlan &plan, const CompileOptions &options) {
    const auto start = std::chrono::steady_clock::now();
    CompiledVariant variant;
    variant.plan = plan;
    const CpuScheduleParameters parameters = cpu_schedule_parameters(plan);
    variant.sizes.block_q = parameters.block_q;
    variant.sizes.features = plan.target->features;
    variant.sizes.scratch_key_block = parameters.block_kv;
    for (TaskFunction function : task_functions(plan)) {
        const std::string symbol = task_symbol(plan, function);
        try {
            ScheduledFunction scheduled = schedule_function(plan, function);
            Halide::Module module = scheduled.pipeline.compile_to_module(scheduled.arguments, symbol, halide_target(plan, options),
                                                                         Halide::LinkageType::External);
            ScratchBytes scratch;
            for (const auto &lowered : module.functions()) lowered.body.accept(&scratch);
            const bool full_row = plan.spec.algorithm == Algorithm::full_row;
            if (scratch.dynamic != (full_row ? 1 : 0) && !options.asserts) {
                throw Error({ErrorCode::internal, symbol, std::to_string(scratch.dynamic) + " allocations of variable size", "none",
                             "please report this with the specification", "", 0, 0});
            }
            if (full_row) variant.sizes.scratch_bytes_per_key = int64_t(4) * parameters.tile_q * plan.target->vector;
            variant.sizes.scratch_bytes = std::max(variant.sizes.scratch_bytes, scratch.constant + 256);
            const TemporaryFile file(".o");
            module.compile({{Halide::OutputFileType::object, file.path}});
            const ObjectFile object{symbol + ".o", read_bytes(file.path)};
            variant.objects.push_back(options.asserts ? object : rename_symbols(object, "halide_", "attune_"));
        } catch (const Halide::Error &error) {
            rethrow(error);
        }
        if (function == TaskFunction::fixed) variant.has_fixed = true;
    }
    variant.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return variant;
}

}  // namespace attune

#include "generator/algorithm/device_patterns.h"
#include "generator/backend/cache.h"
#include "generator/backend/code_loader.h"
#include "generator/backend/device_kernel.h"
#include "generator/backend/files.h"
#include "generator/backend/kernel_table.h"
#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <fmt/format.h>

namespace attune {

namespace {

/// Halide's own runtime, which builds with its checks call: the sentence of each check, and memory that no scratch limits.
ObjectFile halide_runtime(const CpuTarget &target) {
    const TemporaryFolder folder;
    const std::string path = folder.path + "/halide_runtime.o";
    Halide::compile_standalone_runtime(path, Halide::Target(target.halide).with_feature(Halide::Target::UserContext));
    ObjectFile object{"halide_runtime.o", {}};
    read_file(path, object.bytes);
    return object;
}

/// A failed check is told, and the call ends with ATTUNE_INTERNAL; Halide's default would abort.
void print_halide_error(void *, const char *message) {
    std::fprintf(stderr, "%s\n", message);
}

std::vector<ObjectFile> objects_of(const std::vector<CompiledVariant> &variants) {
    std::vector<ObjectFile> all;
    for (const CompiledVariant &variant : variants)
        all.insert(all.end(), variant.objects.begin(), variant.objects.end());
    return all;
}

/// One target's variants in this process, and a table made here.
class JitKernel : public LoadedKernel {
public:
    JitKernel(std::vector<CompiledVariant> variants, double seconds, bool asserts)
        : variants_(std::move(variants)), seconds_(seconds), objects_(objects_of(variants_)), code_(objects_), plan_(variants_.back().plan),
          table_(plan_.spec, kernel_metadata(plan_.spec, variants_, {})) {
        if (asserts)
            code_.find<void(void (*)(void *, const char *))>("halide_set_error_handler")(print_halide_error);
        for (const CompiledVariant &variant : variants_) {
            rows_.push_back(row_of(variant));
            plan_.rounds_weights = plan_.rounds_weights || variant.plan.rounds_weights;
        }
        table_.kernel.num_variants = static_cast<uint32_t>(rows_.size());
        table_.kernel.variants = rows_.data();
        table_.kernel.chosen = rows_.data();  // loaded for one target, which the caller has checked: the environment has no say
        machine_runs(*plan_.target);          // in another process perhaps, and each must ask the system for matrix tiles itself
    }

    const attune_kernel *kernel() const override { return &table_.kernel; }
    const KernelPlan &plan() const override { return plan_; }
    double compile_seconds() const override { return seconds_; }
    const std::vector<ObjectFile> &objects() const override { return objects_; }

private:
    attune_kernel_variant row_of(const CompiledVariant &variant) {
        attune_kernel_variant row = variant.sizes;
        row.target = variant.plan.target->name;
        row.schedule = schedules_.emplace_back(parameters_text(variant.plan)).c_str();
        const std::pair<TaskFunction, attune_task_fn *> functions[] = {{TaskFunction::key_norms, &row.key_norms},
                                                                       {TaskFunction::key_ranges, &row.key_ranges},
                                                                       {TaskFunction::block_states, &row.block_states},
                                                                       {TaskFunction::row_reference, &row.row_reference},
                                                                       {TaskFunction::fixed, &row.fixed},
                                                                       {TaskFunction::exact, &row.exact},
                                                                       {TaskFunction::pairs, &row.pairs},
                                                                       {TaskFunction::split, &row.split},
                                                                       {TaskFunction::combine, &row.combine},
                                                                       {TaskFunction::append, &row.append},
                                                                       {TaskFunction::split_rows, &row.split_rows},
                                                                       {TaskFunction::linear_read, &row.linear_read},
                                                                       {TaskFunction::linear_update, &row.linear_update}};
        const std::vector<TaskFunction> present = task_functions(variant.plan);
        for (const auto &[function, pointer] : functions)
            if (std::find(present.begin(), present.end(), function) != present.end())
                *pointer = code_.find<int(void **)>(task_symbol(variant.plan, function) + "_argv");
        return row;
    }

    std::vector<CompiledVariant> variants_;
    double seconds_;
    std::vector<ObjectFile> objects_;
    CodeLoader code_;
    KernelPlan plan_;  ///< of calls that no rule names
    KernelTable table_;
    std::deque<std::string> schedules_;  ///< the rows point into it
    std::vector<attune_kernel_variant> rows_;
};

/// The same of device variants.
class JitDeviceKernel : public LoadedKernel {
public:
    JitDeviceKernel(std::vector<CompiledDeviceVariant> variants, double seconds)
        : variants_(std::move(variants)), seconds_(seconds), objects_(all_objects(variants_)), code_(objects_),
          table_(variants_[0].plan.spec, kernel_metadata(variants_[0].plan.spec, {}, variants_)),
          pattern_words_(DevicePatterns(variants_[0].plan.spec).words) {
        const DevicePlan &plan = variants_[0].plan;
        plan_.spec = plan.spec;
        plan_.device = plan.target;
        plan_.algorithm = "online_softmax";
        plan_.schedule = plan.schedule();
        plan_.parameters = plan.parameters;
        plan_.reason = plan.reason;
        plan_.rounds_weights = plan.rounds_weights();
        for (const CompiledDeviceVariant &variant : variants_) {
            rows_.push_back(variant.sizes);
            rows_.back().target = variant.plan.target->name;
            rows_.back().attention = code_.find<int(void **)>(device_symbol(variant.plan) + "_argv");
            if (variant.plan.split_keys)
                rows_.back().combine = code_.find<int(void **)>(combine_symbol(variant.plan) + "_argv");
        }
        table_.kernel.device_variants = rows_.data();
        table_.kernel.num_device_variants = static_cast<uint32_t>(rows_.size());
        table_.kernel.pattern_words = pattern_words_.data();
        table_.kernel.num_pattern_words = static_cast<uint32_t>(pattern_words_.size());
    }

    const attune_kernel *kernel() const override { return &table_.kernel; }
    const KernelPlan &plan() const override { return plan_; }
    double compile_seconds() const override { return seconds_; }
    const std::vector<ObjectFile> &objects() const override { return objects_; }

private:
    static std::vector<ObjectFile> all_objects(const std::vector<CompiledDeviceVariant> &variants) {
        std::vector<ObjectFile> all;
        for (const CompiledDeviceVariant &variant : variants)
            all.insert(all.end(), variant.objects.begin(), variant.objects.end());
        return all;
    }

    std::vector<CompiledDeviceVariant> variants_;
    double seconds_;
    std::vector<ObjectFile> objects_;
    CodeLoader code_;
    KernelTable table_;
    const std::vector<int32_t> pattern_words_;
    KernelPlan plan_;
    std::vector<attune_device_variant> rows_;
};

}  // namespace

std::unique_ptr<LoadedKernel> load_kernel(const AttentionSpec &spec, const CpuTarget &target, const CompileOptions &options) {
    std::vector<CompiledVariant> variants;
    double seconds = 0;
    for (KernelPlan &plan : plan_schedules(spec, target, options.overrides, options.rules)) {
        CompiledVariant &variant = variants.emplace_back();
        variant.plan = std::move(plan);
        variant.plan.tuned = options.tuned;
        const std::string key = cache_key(variant.plan, options);
        if (read_cached_variant(key, variant))
            continue;
        variant = compile_variant(variant.plan, options);
        seconds += variant.seconds;
        if (options.asserts && variants.size() == 1)
            variant.objects.push_back(halide_runtime(target));
        write_cached_variant(key, variant);
    }
    return std::make_unique<JitKernel>(std::move(variants), seconds, options.asserts);
}

std::unique_ptr<LoadedKernel> load_device_kernel(const AttentionSpec &spec, const DeviceTarget &target,
                                                 const ScheduleParameters &overrides) {
    if (!target.has_runtime)
        throw Error({.code = ErrorCode::target,
                     .argument = "target",
                     .value = target.name,
                     .expected = "a target that Attune's runtime drives",
                     .cure = fmt::format("use attune build: it writes the kernel's {}", target.code)});
    double seconds = 0;
    std::vector<CompiledDeviceVariant> variants;
    for (const DevicePlan &plan : plan_device_variants(spec, target, overrides)) {
        CompiledDeviceVariant variant;
        variant.plan = plan;
        const std::string key = cache_key(plan);
        if (!read_cached_variant(key, variant)) {
            variant = compile_device_variant(plan);
            seconds += variant.seconds;
            write_cached_variant(key, variant);
        }
        variants.push_back(std::move(variant));
    }
    return std::make_unique<JitDeviceKernel>(std::move(variants), seconds);
}

}  // namespace attune

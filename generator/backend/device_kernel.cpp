#include "generator/backend/device_kernel.h"
#include "generator/backend/code_generator.h"
#include "generator/backend/device_family.h"
#include "generator/backend/lowering.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

namespace attune {

namespace {

[[noreturn]] void refuse(const DeviceTarget &target, const std::string &key, const std::string &value, const std::string &cure) {
    throw Error({.code = ErrorCode::target,
                 .argument = key,
                 .value = value,
                 .expected = fmt::format("what kernels for {} do", target.name),
                 .cure = cure});
}

/// What this version computes on CPUs alone.
void check_device_can(const AttentionSpec &spec, const DeviceTarget &target) {
    const std::string cure = "leave it out, or generate the kernel for CPUs";
    if (spec.cache.dtype != KvDType::same)
        refuse(target, "kv_dtype", kv_dtype_name(spec.cache.dtype), cure);
    if (spec.cache.layout != KvLayout::contiguous)
        refuse(target, "kv_layout", kv_layout_name(spec.cache.layout), cure);
    if (spec.cache.values_in_key)
        refuse(target, "value", "in key", cure);
    if (spec.rope.style != RopeSpec::Style::none)
        refuse(target, "rope", rope_text(spec.rope, "\""), "turn query and key before, or generate the kernel for CPUs");
    if (is_linear(spec))
        refuse(target, "normalizer", normalizer_name(spec.normalizer), "generate the kernel for CPUs");
    if (spec.decode && spec.block_mask)
        refuse(target, "block_mask", "csr", "use phases prefill, or generate the kernel for CPUs");
    if (spec.decode && !target.has_runtime)
        refuse(target, "phases", "decode", "its two kernels and their workspace need Attune's runtime: use cuda, opencl or vulkan");
    if (spec.pairs_output != PairsOutput::none)
        refuse(target, "outputs", pairs_output_name(spec.pairs_output), cure);
    if (spec.compute_dtype != ComputeDType::f32)
        refuse(target, "compute_dtype", compute_dtype_name(spec.compute_dtype), "use f32");
}

/// The source that the driver gets. Of a text without the zeros at its end; words of SPIR-V may end in zeros of their own.
std::string code_of(const Halide::Module &module, const DeviceTarget &target) {
    for (const auto &buffer : module.buffers())
        if (buffer.name().find("gpu_source_kernels") != std::string::npos) {
            const char *first = reinterpret_cast<const char *>(buffer.data());
            const std::string code(first, first + buffer.size_in_bytes());
            return target.api == ATTUNE_API_VULKAN ? code : code.substr(0, code.find('\0'));
        }
    throw internal_error(module.name(), "a device kernel without device code");
}

/// Of the launches, as their constant argument before the arrays of arguments.
class LaunchSharedBytes : public Halide::Internal::IRVisitor {
public:
    int64_t most = 0;

private:
    using IRVisitor::visit;
    void visit(const Halide::Internal::Call *op) override {
        IRVisitor::visit(op);
        if (!op->name.starts_with("halide_") || !op->name.ends_with("_run"))
            return;
        const auto last =
            std::find_if(op->args.rbegin(), op->args.rend(), [](const Halide::Expr &e) { return e.type() == Halide::Int(32); });
        if (last != op->args.rend())
            most = std::max(most, Halide::Internal::as_const_int(Halide::Internal::simplify(*last)).value_or(0));
    }
};

Halide::Target module_target(const DevicePlan &plan) {
    Halide::Target target(plan.target->halide);
    using Halide::Target;
    target.set_features({Target::NoRuntime, Target::UserContext, Target::NoAsserts, Target::NoBoundsQuery});
    return target;
}

}  // namespace

std::string DevicePlan::variant_name() const {
    return fmt::format("{}__{}{}", spec.id(), target->name, aligned ? "_aligned" : "");
}

const char *DevicePlan::schedule() const {
    return device_family(*target).schedule;
}

bool DevicePlan::rounds_weights() const {
    return target->tensor_cores;
}

std::string device_symbol(const DevicePlan &plan) {
    return fmt::format("{}__{}{}_attention", plan.spec.name, plan.target->name, plan.aligned ? "_aligned" : "");
}

std::string combine_symbol(const DevicePlan &plan) {
    return fmt::format("{}__{}{}_combine", plan.spec.name, plan.target->name, plan.aligned ? "_aligned" : "");
}

DevicePlan plan_device_kernel(const AttentionSpec &spec, const DeviceTarget &target, bool aligned, const ScheduleParameters &overrides) {
    check_device_can(spec, target);
    const DeviceFamily &family = device_family(target);
    family.check(spec, target);
    DevicePlan plan;
    plan.spec = spec;
    plan.target = &target;
    plan.aligned = aligned || family.always_aligned;
    for (const DeviceBlockPlan &choice : family.choices(spec, target, overrides)) {
        if (!choice.error.empty())
            throw Error({.argument = "schedule", .value = choice.error, .expected = "legal parameters", .cure = "see attune list"});
        if (choice.shared_bytes > target.shared_bytes || choice.threads > target.max_threads)
            continue;
        plan.parameters = choice.parameters;
        plan.shared_bytes = choice.shared_bytes;
        plan.block_q = choice.block_q;
        plan.block_kv = choice.block_kv;
        plan.split_keys = choice.split_keys;
        // Rows of all heads of a group in one block read their keys once.
        // Not where each head has block lists of its own.
        plan.fold = !spec.block_mask && spec.group > 1 && spec.group <= 16 && plan.block_q % spec.group == 0 ? spec.group : 1;
        plan.reason = fmt::format("blocks of {} rows x {} keys on {} threads, {} KB of shared memory{}", plan.block_q, plan.block_kv,
                                  choice.threads, (plan.shared_bytes + 1023) / 1024,
                                  plan.fold > 1 ? fmt::format("; {} query heads share the rows of a block", plan.fold) : "");
        if (plan.split_keys)
            plan.reason += fmt::format("; parts of {} keys, combined by a second kernel", plan.split_keys);
        return plan;
    }
    refuse(target, "head_dim", std::to_string(std::max(spec.head_dim, spec.head_dim_v)),
           fmt::format("use a smaller one: {} KB of shared memory are not enough", target.shared_bytes >> 10));
}

attune_device_variant planned_sizes(const DevicePlan &plan) {
    attune_device_variant sizes{};
    sizes.api = plan.target->api;
    sizes.fold = plan.fold;
    sizes.block_q = plan.block_q;
    sizes.block_kv = plan.block_kv;
    sizes.needs = plan.target->needs;
    sizes.alignment = plan.aligned ? 16 : 0;
    sizes.split_keys = plan.split_keys;
    return sizes;
}

CompiledDeviceVariant compile_device_variant(const DevicePlan &plan) {
    const auto start = std::chrono::steady_clock::now();
    report_errors_as_ours();
    CompiledDeviceVariant variant;
    variant.plan = plan;
    const DeviceFamily &family = device_family(*plan.target);
    const Halide::Module module = family.lower(plan, module_target(plan));
    variant.device_code = code_of(module, *plan.target);
    LaunchSharedBytes shared;
    for (const Halide::Internal::LoweredFunc &function : module.functions())
        function.body.accept(&shared);
    if (shared.most > plan.target->shared_bytes)
        throw Error({.argument = "schedule",
                     .value = fmt::format("{} bytes of shared memory", shared.most),
                     .expected = fmt::format("at most {}", plan.target->shared_bytes),
                     .cure = "use smaller blocks"});
    variant.plan.shared_bytes = shared.most;  // the plan had an estimate
    if (plan.target->has_runtime)
        variant.objects.push_back({device_symbol(plan) + ".o", generate_code(module, cpu_target("sse41"), CodeForm::object)});
    if (plan.split_keys) {
        const Halide::Module combine = family.lower_combine(plan, module_target(plan));
        variant.device_code += "\n" + code_of(combine, *plan.target);
        variant.objects.push_back({combine_symbol(plan) + ".o", generate_code(combine, cpu_target("sse41"), CodeForm::object)});
    }
    variant.sizes = planned_sizes(plan);
    variant.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return variant;
}

namespace {

bool rows_are_aligned(const AttentionSpec &spec) {
    return spec.head_dim * dtype_bytes(spec.dtype) % 16 == 0 && spec.head_dim_v * dtype_bytes(spec.dtype) % 16 == 0;
}

}  // namespace

std::vector<DevicePlan> plan_device_variants(const AttentionSpec &spec, const DeviceTarget &target, const ScheduleParameters &overrides) {
    const bool always_aligned = device_family(target).always_aligned;
    std::vector<DevicePlan> plans;
    if (always_aligned || (target.has_runtime && rows_are_aligned(spec)))
        plans.push_back(plan_device_kernel(spec, target, true, overrides));
    if (!always_aligned)
        plans.push_back(plan_device_kernel(spec, target, false, overrides));
    return plans;
}

std::vector<CompiledDeviceVariant> compile_device_variants(const AttentionSpec &spec) {
    std::vector<CompiledDeviceVariant> variants;
    for (const DeviceTarget &target : device_targets()) {
        if (std::find(spec.device_targets.begin(), spec.device_targets.end(), target.name) == spec.device_targets.end())
            continue;
        for (const DevicePlan &plan : plan_device_variants(spec, target))
            variants.push_back(compile_device_variant(plan));
    }
    return variants;
}

}  // namespace attune

#include "generator/backend/projection_kernel.h"
#include "generator/backend/ask_for_weights.h"
#include "generator/backend/code_generator.h"
#include "generator/backend/code_loader.h"
#include "generator/backend/lowering.h"
#include "generator/backend/overrides.h"
#include "generator/backend/scratch_bytes.h"
#include "generator/backend/tile_contractions.h"
#include "schedules/cpu_projection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attune {

namespace {

CpuProjectionParameters parameters_of(const ProjectionPlan &plan) {
    const CpuTarget &target = *plan.target;
    CpuProjectionParameters p = default_projection_parameters(plan.spec, target.vector, target.registers, target.machine);
    apply_overrides(p, plan.parameters, cpu_projection_parameters());
    return p;
}

}  // namespace

std::string ProjectionPlan::symbol(bool of_one_row) const {
    return fmt::format("{}__{}_project{}", spec.name, target->name, of_one_row ? "_row" : "");
}

ProjectionPlan plan_projection(const ProjectionSpec &spec, const CpuTarget &target, const ScheduleParameters &overrides) {
    ProjectionPlan plan{spec, &target, overrides};
    const CpuProjectionParameters p = parameters_of(plan);
    refuse_schedule(cpu_projection_parameters_error(p, target.vector, target.registers));
    plan.parameters = named(p, cpu_projection_parameters());
    return plan;
}

namespace {

struct CompiledFunction {
    ProjectionShape shape;
    ObjectFile object;
    int64_t scratch_bytes;
};

CompiledFunction compile_function(const ProjectionPlan &plan, const CpuProjectionParameters &parameters, const std::string &symbol,
                                  const CompileOptions &options) {
    const bool is_marked = has_llvm_backend() && !options.twins;
    const ProjectionTask task(plan.spec, cpu_projection_shape(plan.spec, parameters, plan.target->vector),
                              is_marked ? plan.target->machine : MachineOperations{});
    ProjectionStages stages = task.define();
    schedule_cpu_projection(task, stages, parameters);
    Halide::Pipeline pipeline(stages.output);
    if (task.shape.matrix_tiles && is_marked)
        contract_in_tiles(pipeline);
    else
        ask_for_weights(pipeline, task);
    const Halide::Module module =
        pipeline.compile_to_module(task.args.all(), symbol, halide_target(*plan.target, options), Halide::LinkageType::ExternalPlusArgv);
    ScratchBytes scratch;
    for (const auto &lowered : module.functions())
        lowered.body.accept(&scratch);
    if (scratch.dynamic != 0)
        throw internal_error(symbol, fmt::format("{} allocations of variable size", scratch.dynamic));
    return {
        task.shape, {symbol + ".o", generate_code(module, *plan.target, CodeForm::object, {.emulate = options.emulate})}, scratch.constant};
}

}  // namespace

CompiledProjection compile_projection(const ProjectionPlan &plan, const CompileOptions &options) {
    report_errors_as_ours();
    CpuProjectionParameters parameters = parameters_of(plan);
    CompiledFunction project = compile_function(plan, parameters, plan.symbol(), options);
    const ProjectionShape shape = project.shape;
    CompiledProjection compiled{plan, {std::move(project.object)}, {}};
    compiled.sizes.features = plan.target->features;
    compiled.sizes.panel = shape.panel;
    compiled.sizes.block_inputs = shape.block_inputs;
    compiled.sizes.step_inputs = shape.step_inputs();
    compiled.sizes.chunks = shape.chunks(plan.spec.in_features);
    compiled.sizes.block_rows = shape.block_rows;
    compiled.sizes.block_columns = shape.block_columns;
    compiled.sizes.tile_rows = shape.tile_rows;
    compiled.sizes.scratch_bytes = project.scratch_bytes;
    // A tile's other rows would take 0.37 of the 0.52 ms in which 1024 x 4096 weights come from memory, and twice that beside a busy sibling thread.
    // Matrix tiles add pairs in another order than vectors do, and a row would lose its bits.
    if (shape.tile_rows > 1 && !shape.matrix_tiles) {
        parameters.tile_rows = parameters.block_rows = 1;
        CompiledFunction row = compile_function(plan, parameters, plan.symbol(true), options);
        compiled.objects.push_back(std::move(row.object));
        compiled.sizes.scratch_bytes = std::max(compiled.sizes.scratch_bytes, row.scratch_bytes);
    }
    return compiled;
}

std::vector<CompiledProjection> compile_projection_variants(const ProjectionSpec &spec) {
    std::vector<CompiledProjection> variants;
    std::vector<std::string> names;
    for (const CpuTarget &target : cpu_targets()) {
        if (!target.serves(spec.dtype))
            continue;
        names.push_back(target.name);
        if (std::find(spec.targets.begin(), spec.targets.end(), target.name) != spec.targets.end())
            variants.push_back(compile_projection(plan_projection(spec, target)));
    }
    if (variants.empty())
        throw Error({.code = ErrorCode::target,
                     .argument = "targets.cpu",
                     .value = fmt::format("{}", fmt::join(spec.targets, ", ")),
                     .expected = fmt::format("one of {} among them for a projection", fmt::join(names, ", ")),
                     .cure = "add one of these, or write auto"});
    return variants;
}

namespace {

class JitProjection : public LoadedProjection {
public:
    JitProjection(CompiledProjection compiled) : spec_(compiled.plan.spec), id_(spec_.id()), code_(compiled.objects), row_(compiled.sizes) {
        row_.target = compiled.plan.target->name;
        row_.project = code_.find<int(void **)>(compiled.plan.symbol() + "_argv");
        if (compiled.objects.size() > 1)
            row_.project_row = code_.find<int(void **)>(compiled.plan.symbol(true) + "_argv");
        table_.abi = ATTUNE_LAYER_ABI;
        table_.num_variants = 1;
        table_.type_code = spec_.dtype == DType::bf16 ? 4 : 2;
        table_.type_bits = static_cast<uint8_t>(8 * dtype_bytes(spec_.dtype));
        table_.in_features = spec_.in_features;
        table_.out_features = spec_.out_features;
        table_.has_bias = spec_.bias ? 1 : 0;
        table_.name = spec_.name.c_str();
        table_.id = id_.c_str();
        table_.dtype = dtype_name(spec_.dtype);
        table_.activation = activation_name(spec_.activation);
        table_.variants = &row_;
        table_.chosen = &row_;                  // loaded for one target, which the caller has checked
        machine_runs(*compiled.plan.target);  // in another process perhaps, and each must ask the system for matrix tiles itself
    }
    const attune_projection *projection() const override { return &table_; }

private:
    const ProjectionSpec spec_;
    const std::string id_;
    CodeLoader code_;
    attune_projection_variant row_;
    attune_projection table_{};
};

/// The first target, from this one on, with projections of its own for the type: of f32 avx512 for amx.
const CpuTarget &projection_target(const CpuTarget &target, DType dtype) {
    bool found = false;
    for (const CpuTarget &candidate : cpu_targets()) {
        found = found || candidate.name == target.name;
        if (found && candidate.serves(dtype))
            return candidate;
    }
    return target;
}

class JitLayer : public LoadedLayer {
public:
    JitLayer(const LayerSpec &spec, const CpuTarget &target, const CompileOptions &options)
        : name_(spec.name), frequencies_(spec.rope.frequencies()), attention_(load_kernel(spec.attention, target, options)) {
        CompileOptions of_projections = options;
        of_projections.overrides.clear();
        auto projection = [&](const ProjectionSpec &part) {
            return load_projection(part, projection_target(target, part.dtype), of_projections);
        };
        tokens_ = projection(spec.token_projection());
        output_ = projection(spec.output_projection());
        if (spec.is_cross())
            context_ = projection(spec.context_projection());
        table_ = {.abi = ATTUNE_LAYER_ABI,
                  .d_model = spec.d_model,
                  .d_context = spec.d_context,
                  .heads = spec.heads,
                  .kv_heads = spec.kv_heads,
                  .reserved = 0,
                  .name = name_.c_str(),
                  .token_projection = tokens_->projection(),
                  .context_projection = context_ ? context_->projection() : nullptr,
                  .attention = attention_->kernel(),
                  .output_projection = output_->projection(),
                  .rope = {},
                  .norm_epsilon = spec.qk_norm_eps};
        if (!frequencies_.empty())
            table_.rope = {frequencies_.data(), spec.rope.dims / 2, spec.rope.style == RopeSpec::Style::interleaved};
    }
    const attune_layer *layer() const override { return &table_; }
    const LoadedKernel &attention() const override { return *attention_; }

private:
    const std::string name_;
    const std::vector<double> frequencies_;
    std::unique_ptr<LoadedProjection> tokens_, context_, output_;
    std::unique_ptr<LoadedKernel> attention_;
    attune_layer table_{};
};

}  // namespace

std::unique_ptr<LoadedProjection> load_projection(const ProjectionSpec &spec, const CpuTarget &target, const CompileOptions &options) {
    return std::make_unique<JitProjection>(compile_projection(plan_projection(spec, target, options.overrides), options));
}

std::unique_ptr<LoadedLayer> load_layer(const LayerSpec &spec, const CpuTarget &target, const CompileOptions &options) {
    return std::make_unique<JitLayer>(spec, target, options);
}

}  // namespace attune

#include "generator/backend/cache.h"
#include "generator/backend/cache_format.h"
#include "generator/backend/code_loader.h"
#include "generator/backend/files.h"
#include "generator/backend/lowering.h"
#include "generator/backend/params_struct.h"
#include "generator/spec/error.h"

#include <algorithm>
#include <cstdio>

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

/// The variant's objects in this process, and a descriptor made here.
class JitKernel : public LoadedKernel {
public:
    JitKernel(CompiledVariant variant, double seconds, bool asserts)
        : variant_(std::move(variant)), seconds_(seconds), code_(variant_.objects) {
        if (asserts)
            code_.find<void(void (*)(void *, const char *))>("halide_set_error_handler")(print_halide_error);
        describe();
    }

    const attune_kernel *kernel() const override { return &kernel_; }
    const KernelPlan &plan() const override { return variant_.plan; }
    double compile_seconds() const override { return seconds_; }
    const std::vector<ObjectFile> &objects() const override { return variant_.objects; }

private:
    void describe() {
        const AttentionSpec &spec = variant_.plan.spec;
        row_ = variant_.sizes;
        row_.target = variant_.plan.target->name;
        const std::pair<TaskFunction, attune_task_fn *> functions[] = {{TaskFunction::key_norms, &row_.key_norms},
                                                                       {TaskFunction::key_ranges, &row_.key_ranges},
                                                                       {TaskFunction::block_states, &row_.block_states},
                                                                       {TaskFunction::row_reference, &row_.row_reference},
                                                                       {TaskFunction::fixed, &row_.fixed},
                                                                       {TaskFunction::exact, &row_.exact},
                                                                       {TaskFunction::pairs, &row_.pairs},
                                                                       {TaskFunction::split, &row_.split},
                                                                       {TaskFunction::combine, &row_.combine},
                                                                       {TaskFunction::append, &row_.append}};
        const std::vector<TaskFunction> present = task_functions(variant_.plan);
        for (const auto &[function, pointer] : functions)
            if (std::find(present.begin(), present.end(), function) != present.end())
                *pointer = code_.find<int(void **)>(task_symbol(variant_.plan, function) + "_argv");
        mask_ = spec.mask_text();
        score_ = spec.score_text();
        const ParamsStruct layout = params_struct(spec);
        params_ = layout.members;
        for (const ParamDeclaration &param : spec.params)
            declarations_.push_back(param.text());
        for (size_t i = 0; i < params_.size(); i++) {
            params_[i].name = variant_.plan.spec.params[i].name.c_str();
            params_[i].declaration = declarations_[i].c_str();
        }
        kernel_.params_size = layout.size;
        kernel_.params = params_.data();
        kernel_.num_params = static_cast<uint32_t>(params_.size());
        kernel_.cache = cache_format(spec);
        frequencies_ = spec.rope.frequencies();
        if (!frequencies_.empty())
            kernel_.rope = {frequencies_.data(), spec.rope.dims / 2, spec.rope.style == RopeSpec::Style::interleaved};
        kernel_.has_sink = has_sink(spec) ? 1 : 0;
        kernel_.block_size_q = spec.block_mask ? spec.block_size_q : 0;
        kernel_.block_size_kv = spec.block_mask ? spec.block_size_kv : 0;
        id_ = spec.id();
        metadata_ = kernel_metadata(spec, {variant_});
        kernel_.abi = ATTUNE_KERNEL_ABI;
        kernel_.num_variants = 1;
        kernel_.type_code = spec.dtype == DType::bf16 ? 4 : 2;
        kernel_.type_bits = static_cast<uint8_t>(8 * dtype_bytes(spec.dtype));
        kernel_.info = {variant_.plan.spec.name.c_str(),
                        id_.c_str(),
                        dtype_name(spec.dtype),
                        mask_.c_str(),
                        spec.head_dim,
                        spec.head_dim_v,
                        spec.group,
                        spec.lse ? 1 : 0,
                        spec.softmax_scale,
                        score_.c_str(),
                        pairs_output_name(spec.pairs_output),
                        metadata_.c_str()};
        kernel_.variants = &row_;
        kernel_.chosen = &row_;  // loaded for one target, which the caller has checked: the environment has no say
    }

    CompiledVariant variant_;
    double seconds_;
    CodeLoader code_;
    attune_kernel_variant row_{};
    attune_kernel kernel_{};
    std::vector<attune_param> params_;
    std::vector<std::string> declarations_;
    std::vector<double> frequencies_;
    std::string id_, mask_, score_, metadata_;
};

}  // namespace

std::unique_ptr<LoadedKernel> load_kernel(const AttentionSpec &spec, const CpuTarget &target, const CompileOptions &options) {
    CompiledVariant variant;
    variant.plan = plan_kernel(spec, target, options.overrides);
    variant.plan.tuned = options.tuned;
    const std::string key = cache_key(variant.plan, options);
    double seconds = 0;
    if (!read_cached_variant(key, variant)) {
        variant = compile_variant(variant.plan, options);
        seconds = variant.seconds;
        if (options.asserts)
            variant.objects.push_back(halide_runtime(target));
        write_cached_variant(key, variant);
    }
    return std::make_unique<JitKernel>(std::move(variant), seconds, options.asserts);
}

}  // namespace attune

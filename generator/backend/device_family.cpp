#include "generator/backend/device_family.h"
#include "generator/backend/overrides.h"
#include "generator/gpu/block_registers.h"
#include "generator/gpu/markers.h"
#include "generator/gpu/ptx_module.h"
#include "generator/gpu/shader_lowering.h"
#include "generator/gpu/shared_memory_check.h"
#include "generator/gpu/spirv_lowering.h"
#include "generator/gpu/tensor_core_lowering.h"
#include "generator/spec/error.h"
#include "schedules/gpu_combine_parts.h"
#include "schedules/gpu_flash_tiles.h"
#include "schedules/gpu_tensor_tiles.h"

#include <algorithm>
#include <fmt/format.h>

namespace attune {

namespace {

template <class Parameters>
Parameters unnamed(const ScheduleParameters &given, const std::vector<ScheduleParameter<Parameters>> &declared, const char *family,
                   Parameters p = {}) {
    for (const auto &[name, value] : given) {
        const auto found = std::find_if(declared.begin(), declared.end(), [&](const auto &parameter) { return name == parameter.name; });
        if (found == declared.end())
            throw Error({.argument = name,
                         .value = std::to_string(value),
                         .expected = fmt::format("a parameter of {}", family),
                         .cure = "see attune list"});
        p.*found->member = value;
    }
    return p;
}

// ---- gpu_flash_tiles: products in f32, for every interface

/// Tiles by head dim, the best first: registers of a thread hold a part of the scores and of the sums, shared memory the rest. CUDA has
/// more of both than the others promise. H100, f32, TFLOP/s at 4 x 4096 tokens: head_dim 64 with 128 rows 23.5, with 64 21.2; head_dim 128
/// with 64 keys 22.2, with 32 19.9. Eight head dims of each row a thread, not four, at 32 and 40: a
/// question whether a weight is hidden serves eight multiply-adds. Four keys a turn leave one more turn's registers, which 64 and 128 have not.
std::vector<GpuFlashParameters> tile_choices(const AttentionSpec &spec, const DeviceTarget &target) {
    const int head_dim = std::max(spec.head_dim, spec.head_dim_v);
    if (head_dim > 128)
        return {{32, 32, 32, 8}, {16, 32, 32, 8}, {8, 32, 32, 8}, {8, 8, 8, 8}, {8, 4, 4, 8}};
    std::vector<GpuFlashParameters> choices;
    if (target.api == ATTUNE_API_CUDA)
        choices.push_back(head_dim <= 32   ? GpuFlashParameters{128, 32, 4, 32, 2, 2}
                          : head_dim == 40 ? GpuFlashParameters{128, 40, 5, 32, 2, 4}
                          : head_dim <= 64 ? GpuFlashParameters{128, 32, 8, 16}
                                           : GpuFlashParameters{64, 64, 16, 16});
    const std::vector<GpuFlashParameters> small = {{64, 32, 8, 16}, {32, 32, 8, 16}, {32, 16, 8, 16}, {16, 16, 8, 8}},
                                          large = {{64, 32, 16, 16}, {32, 32, 16, 16}, {32, 16, 16, 16}, {16, 16, 16, 16},
                                                   {16, 16, 16, 8},  {8, 16, 16, 8},   {8, 8, 8, 8}};
    const std::vector<GpuFlashParameters> &others = head_dim <= 64 ? small : large;
    choices.insert(choices.end(), others.begin(), others.end());
    return choices;
}

/// Decode: few rows, whose keys are what takes time. All heads of a group in one block, so that they are read once.
std::vector<GpuFlashParameters> decode_choices(const AttentionSpec &spec) {
    const int group = spec.group > 1 && spec.group <= 16 ? spec.group : 1, block_q = (8 + group - 1) / group * group;
    const int threads_y = block_q % 4 == 0 ? 4 : block_q % 3 == 0 ? 3 : block_q % 2 == 0 ? 2 : block_q;
    std::vector<GpuFlashParameters> choices;
    for (const int block_kv : {64, 32, 16, 8})
        choices.push_back({block_q, block_kv, block_kv >= 32 ? 32 : block_kv, threads_y, 2, 1, 512});
    return choices;
}

/// Of kernels with block lists: a block of rows has one list, and a chunk lies in one listed block.
std::string lists_error(const AttentionSpec &spec, const GpuFlashParameters &p) {
    if (!spec.block_mask || (spec.block_size_q % p.block_q == 0 && spec.block_size_kv % p.block_kv == 0))
        return "";
    return fmt::format("block_q and block_kv are {} and {}, expected divisors of block_size [{}, {}]", p.block_q, p.block_kv,
                       spec.block_size_q, spec.block_size_kv);
}

std::vector<DeviceBlockPlan> flash_choices(const AttentionSpec &spec, const DeviceTarget &target, const ScheduleParameters &overrides) {
    std::vector<DeviceBlockPlan> all;
    for (const GpuFlashParameters &choice : spec.decode ? decode_choices(spec) : tile_choices(spec, target)) {
        const GpuFlashParameters p = unnamed(overrides, gpu_flash_parameters(), "gpu_flash_tiles", choice);
        const std::string of_lists = lists_error(spec, p), error = gpu_flash_parameters_error(p);
        if (!of_lists.empty() && overrides.empty())
            continue;
        all.push_back(
            {named(p, gpu_flash_parameters()), p.block_q, p.block_kv, p.threads_x * p.threads_y, 0, error.empty() ? of_lists : error});
        const bool merged = target.api == ATTUNE_API_CUDA && p.block_q >= 64 && std::max(spec.head_dim, spec.head_dim_v) <= 128 &&
                            is_softmax(spec.normalizer);
        all.back().split_keys = p.split_keys;
        if (all.back().error.empty() && spec.decode != (p.split_keys > 0))
            all.back().error =
                fmt::format("split_keys is {}, expected {}", p.split_keys, spec.decode ? "the keys of a part" : "0, as phases is prefill");
        if (all.back().error.empty())
            all.back().shared_bytes = gpu_flash_shared_bytes(spec, p, merged);
    }
    return all;
}

/// What an api's writer of code gets wrong or has no words for, said otherwise.
void lower_for_api(Halide::Pipeline &pipeline, const DeviceTarget &target) {
    if (target.operations.exp2 == shader_exp2)
        lower_for_shaders(pipeline);
    if (target.api == ATTUNE_API_VULKAN)
        lower_for_spirv(pipeline);
}

Halide::Module lower_flash(const DevicePlan &plan, const Halide::Target &target) {
    const auto parameters = unnamed(plan.parameters, gpu_flash_parameters(), "gpu_flash_tiles");
    DeviceTask task(plan.spec, gpu_flash_shape(parameters, plan.fold), plan.target->operations);
    DeviceStages stages = task.define();
    schedule_gpu_flash(task, stages, parameters, plan.aligned);
    Halide::Pipeline pipeline(stages.output);
    check_shared_memory(pipeline);
    lower_markers(pipeline, output_positions);
    keep_in_registers(pipeline, gpu_flash_replicated(stages, task.shape));
    lower_for_api(pipeline, *plan.target);
    if (!plan.target->has_wide_integers())
        narrow_integers(pipeline, plan.target->name, plan.spec.mask ? "mask" : "score",
                        plan.spec.mask ? plan.spec.mask_text() : plan.spec.score_text());
    const Halide::Module module =
        pipeline.compile_to_module(task.args.all(), device_symbol(plan), target, Halide::LinkageType::ExternalPlusArgv);
    if (plan.target->api != ATTUNE_API_CUDA)
        return module;
    // Registers for two blocks an SM: without the word, the driver's compiler takes 155 to 255 for each of 128 threads. Above head_dim 64 a block's 96 KB of
    // shared memory leave one an SM on all but Hopper, and 128 registers for each of 256 threads spilled in some kernels.
    const bool two_blocks = task.shape.threads() <= 256 && std::max(plan.spec.head_dim, plan.spec.head_dim_v) <= 64;
    const std::string directives =
        fmt::format(".maxntid {}, {}, 1\n.minnctapersm {}\n", parameters.threads_x, parameters.threads_y, two_blocks ? 2 : 1);
    return with_ptx(module, [&](const std::string &ptx) { return inline_ptx_calls(ptx, {}, "attune_", {.directives = directives}); });
}

Halide::Module lower_combine(const DevicePlan &plan, const Halide::Target &target) {
    const auto parameters = unnamed(plan.parameters, gpu_flash_parameters(), "gpu_flash_tiles");
    DeviceCombine task(plan.spec, gpu_flash_shape(parameters, plan.fold).block(), plan.target->operations);
    DeviceCombineStages stages = task.define();
    schedule_gpu_combine(task, stages);
    Halide::Pipeline pipeline(stages.output);
    check_shared_memory(pipeline);
    lower_markers(pipeline, output_positions);
    lower_for_api(pipeline, *plan.target);
    return pipeline.compile_to_module(task.arguments(), combine_symbol(plan), target, Halide::LinkageType::ExternalPlusArgv);
}

// ---- gpu_tensor_tiles: products of halves on tensor cores

void check_tensor(const AttentionSpec &spec, const DeviceTarget &target) {
    const std::string cure = fmt::format("generate for cuda instead of {}", target.name);
    if (spec.dtype == DType::f32)
        throw Error({ErrorCode::target, "dtype", dtype_name(spec.dtype), "f16 or bf16, which tensor cores multiply", cure, "", 0, 0});
    for (const auto &[key, value] : {std::pair("head_dim", spec.head_dim), std::pair("head_dim_v", spec.head_dim_v)})
        if (value % 16 != 0 || value > 256)
            throw Error({ErrorCode::target, key, std::to_string(value), "a multiple of 16, at most 256", cure, "", 0, 0});
    if (spec.decode)
        throw Error({ErrorCode::target, "phases", "decode", "prefill", cure, "", 0, 0});
    if (spec.block_mask)
        throw Error({ErrorCode::target, "block_mask", "csr", "a mask that is an expression", cure, "", 0, 0});
    if (!is_softmax(spec.normalizer))
        throw Error({ErrorCode::target, "normalizer", normalizer_name(spec.normalizer), "softmax", cure, "", 0, 0});
}

std::vector<DeviceBlockPlan> tensor_choices(const AttentionSpec &spec, const DeviceTarget &, const ScheduleParameters &overrides) {
    std::vector<DeviceBlockPlan> all;
    for (const GpuTensorParameters &choice : gpu_tensor_choices(spec)) {
        const GpuTensorParameters p = unnamed(overrides, gpu_tensor_parameters(), "gpu_tensor_tiles", choice);
        const TensorCoreShape shape = gpu_tensor_shape(spec, p);
        all.push_back(
            {named(p, gpu_tensor_parameters()), shape.block_q(), shape.block_kv, shape.threads(), 0, gpu_tensor_parameters_error(spec, p)});
        if (all.back().error.empty())
            all.back().shared_bytes = shape.shared_bytes();
    }
    return all;
}

Halide::Module lower_tensor(const DevicePlan &plan, const Halide::Target &target) {
    const auto parameters = unnamed(plan.parameters, gpu_tensor_parameters(), "gpu_tensor_tiles");
    TensorCoreTask task(plan.spec, gpu_tensor_shape(plan.spec, parameters), plan.fold, plan.target->operations);
    TensorCoreStages stages = task.define();
    schedule_gpu_tensor(task, stages);
    Halide::Pipeline pipeline(stages.output);
    check_shared_memory(pipeline);
    lower_markers(pipeline, output_positions);
    lower_tensor_core_calls(pipeline, stages.output.name(), task.shape);
    return with_tensor_core_text(
        pipeline.compile_to_module(task.args.all(), device_symbol(plan), target, Halide::LinkageType::ExternalPlusArgv), task.shape);
}

}  // namespace

const DeviceFamily &device_family(const DeviceTarget &target) {
    static const DeviceFamily flash = {"gpu_flash_tiles", [](const AttentionSpec &, const DeviceTarget &) {},
                                       flash_choices,     lower_flash,
                                       lower_combine,     false},
                              tensor = {"gpu_tensor_tiles", check_tensor, tensor_choices, lower_tensor, nullptr, true};
    return target.tensor_cores ? tensor : flash;
}

}  // namespace attune

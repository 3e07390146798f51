#include "generator/backend/kernel.h"
#include "generator/backend/lowering.h"
#include "generator/spec/error.h"
#include "schedules/cpu_query_lanes.h"

#include <algorithm>
#include <fmt/format.h>

namespace attune {

namespace {

constexpr int64_t task_cache_bytes = 256 << 10;  // a quarter of a 1 MB second-level cache: query and accumulator of a task

/// The defaults: register tiles that fill the registers without spilling, measured on Zen 5 (bench/README.md).
CpuScheduleParameters default_parameters(const AttentionSpec &spec, const CpuTarget &target, Algorithm algorithm) {
    CpuScheduleParameters p;
    if (target.registers < 32) {
        // 12 accumulators, 3 queries and a key: all 16 registers. Without FMA the product takes one too, so 8 accumulators.
        p.tile_q = target.vector == 4 ? 2 : 3;
        p.tile_kv = p.tile_d = 4;
    }
    if (algorithm == Algorithm::full_row) {
        // Short rows: fewer rows and keys after the last are computed in vain. 49 x 49, head_dim 32, avx512: 100 GFLOP/s against 65.
        p.block_kv = 32;
        p.tile_q = 2;
    }
    const int strip = p.tile_q * target.vector;
    const int64_t rows = task_cache_bytes / (4 * (spec.head_dim + spec.head_dim_v));
    p.block_q = static_cast<int>(std::clamp<int64_t>(rows, strip, 384) / strip * strip);
    return p;
}

void apply_overrides(CpuScheduleParameters &p, const ScheduleParameters &overrides, const CpuTarget &target) {
    for (const auto &[name, value] : overrides) {
        const auto &known = cpu_parameters();
        const auto found = std::find_if(known.begin(), known.end(), [&](const CpuParameter &k) { return name == k.name; });
        if (found == known.end()) {
            std::string names;
            for (const CpuParameter &k : known)
                names += (names.empty() ? "" : ", ") + std::string(k.name);
            throw Error(
                {ErrorCode::usage, name, std::to_string(value), "a schedule parameter: one of " + names, "see attune list", "", 0, 0});
        }
        p.*found->member = value;
    }
    const std::string error = cpu_parameters_error(p, target.vector, target.registers);
    if (!error.empty())
        throw Error({.argument = "schedule", .cure = "see attune list", .problem = error});
}

}  // namespace

CpuScheduleParameters cpu_schedule_parameters(const KernelPlan &plan) {
    CpuScheduleParameters p;
    apply_overrides(p, plan.parameters, *plan.target);
    return p;
}

std::string KernelPlan::variant_name() const {
    return spec.id() + "__" + target->name;
}

KernelPlan plan_kernel(const AttentionSpec &spec, const CpuTarget &target, const ScheduleParameters &overrides) {
    KernelPlan plan;
    plan.spec = spec;
    plan.target = &target;
    const Algorithm algorithm = spec.algorithm == Algorithm::automatic ? Algorithm::fixed_reference : spec.algorithm;
    const std::string wish = spec.algorithm == Algorithm::automatic ? "the default" : "asked for";
    switch (algorithm) {
    case Algorithm::online:
        plan.algorithm = "online_softmax";
        plan.schedule = "cpu_query_lanes";
        plan.reason = wish + ": one path for all inputs, a maximum and a rescale a chunk";
        break;
    case Algorithm::full_row:
        plan.algorithm = "full_row_softmax";
        plan.schedule = "cpu_full_row";
        plan.reason = wish + ": short rows, one maximum, all logits of a strip kept";
        break;
    default:
        plan.algorithm = "fixed_reference_softmax + online_softmax";
        plan.schedule = "cpu_query_lanes";
        plan.reason = wish + ": no maximum pass and no rescaling; rows that may leave its range take the online kernel";
    }
    CpuScheduleParameters p = default_parameters(spec, target, algorithm);
    apply_overrides(p, overrides, target);
    for (const CpuParameter &parameter : cpu_parameters())
        plan.parameters.emplace_back(parameter.name, p.*parameter.member);
    plan.reason += fmt::format("; {} x {} accumulators of {} registers, a task of {} rows keeps {} KB of query and accumulator in cache",
                               p.tile_q, p.tile_kv, target.registers, p.block_q, p.block_q * (spec.head_dim + spec.head_dim_v) * 4 >> 10);
    plan.footprint_bytes = cpu_footprint(spec, p, target.vector).task;
    plan.footprint_formula = CpuFootprint::formula();
    return plan;
}

}  // namespace attune

#include "generator/backend/kernel.h"
#include "generator/cli/command.h"
#include "generator/cli/cost.h"
#include "generator/cli/mask_picture.h"
#include "generator/cli/peak.h"
#include "generator/cli/schedule_text.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/text_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::cli {
namespace {

constexpr int max_rows = 32, max_columns = 64;  // of the picture in a terminal
constexpr int max_svg_cells = 256;              // of the SVG, each way
constexpr double peak_seconds = 0.02;
// Where the machine cannot run the target: a core of about 2.5 GHz that does two vector operations a cycle.
constexpr double assumed_gflops_per_lane = 2.5 * 2 * 2, assumed_gbs = 10;

void declare(Flags &flags) {
    declare_spec_flags(flags);
    flags.value("--shape", "SHAPE", "b=,h=,hkv=,sq=,skv= [b=1,h=1,hkv=h/group,sq=512,skv=512]");
    declare_target_flag(flags);
    flags.value("--stage", "STAGE", "print one stage: plan, algorithm, schedule, llvm or asm");
    flags.value("--picture", "F.svg", "write the picture of the mask as SVG");
    flags.later("--scaling", "compare 'attune bench --threads N' for several N");
}

struct Roofline {
    double peak_gflops, read_gbs;
    bool measured;  ///< on this machine, just now; else assumed
    double compute_ms, memory_ms;
    double ms() const { return std::max(compute_ms, memory_ms); }
    const char *bound() const { return compute_ms >= memory_ms ? "compute" : "memory"; }
};
Roofline roofline(const CpuTarget &target, const Cost &cost) {
    Roofline r{};
    const auto here = available_targets();
    r.measured = std::find(here.begin(), here.end(), &target) != here.end();
    r.peak_gflops = r.measured ? best_peak_gflops(target, 1, peak_seconds) : assumed_gflops_per_lane * target.vector;
    r.read_gbs = r.measured ? measure_read_gbs(1, peak_seconds) : assumed_gbs;
    r.compute_ms = double(cost.flops) / r.peak_gflops * 1e-6;
    r.memory_ms = double(cost.bytes) / r.read_gbs * 1e-6;
    return r;
}

Json spec_json(const AttentionSpec &spec) {
    return {{"id", spec.id()},
            {"name", spec.name},
            {"dtype", dtype_name(spec.dtype)},
            {"head_dim", spec.head_dim},
            {"head_dim_v", spec.head_dim_v},
            {"group", spec.group == 0 ? Json("any") : Json(spec.group)},
            {"scale", spec.scale},
            {"softmax_scale", spec.softmax_scale},
            {"mask", mask_name(spec.mask)},
            {"outputs", spec.lse ? Json{"out", "lse"} : Json::array({"out"})},
            {"algorithm", algorithm_name(spec.algorithm)},
            {"targets", spec.targets}};
}

/// The keys that each block of queries visits: full blocks, then partial ones; the rest is skipped.
std::string block_plan_text(const AttentionSpec &spec, const Shape &shape, int64_t block_q, int64_t block_kv) {
    constexpr int64_t shown = 64;
    std::string text =
        fmt::format("block plan: {} rows of query by {} keys, for sq={}, skv={}\n", block_q, block_kv, shape.seq_len_q, shape.seq_len_kv);
    const int64_t blocks = (shape.seq_len_q + block_q - 1) / block_q;
    for (int64_t i = 0; i < blocks; i++) {
        if (i == shown / 2 && blocks > shown) {
            text += fmt::format("  … {} more\n", blocks - shown);
            i = blocks - shown / 2;
        }
        const int64_t first = i * block_q, end = std::min(first + block_q, shape.seq_len_q);
        const int64_t all = visible_keys(spec.mask, first, shape.seq_len_q, shape.seq_len_kv),
                      any = visible_keys(spec.mask, end - 1, shape.seq_len_q, shape.seq_len_kv);
        const int64_t full = all == shape.seq_len_kv ? all : all / block_kv * block_kv;
        const int64_t partial = std::min((any + block_kv - 1) / block_kv * block_kv, shape.seq_len_kv);
        text += fmt::format("  rows {:>6} … {:<6}  full: keys [0, {})  partial: [{}, {})  skipped: [{}, {})\n", first, end - 1, full, full,
                            std::max(full, partial), std::max(full, partial), shape.seq_len_kv);
    }
    return text;
}

int run(const Flags &flags, Session &session) {
    const std::string stage = flags.one_of("--stage", {"plan", "algorithm", "schedule", "llvm", "asm"}, "");
    const AttentionSpec spec = validate_spec(raw_spec(flags));
    const Shape shape = parse_shape(flags.text("--shape", "b=1"), spec.group);
    const CpuTarget &target = target_to_explain(flags, spec);
    const KernelPlan plan = plan_kernel(spec, target);
    // Strips decide what is full, partial or skipped, not tasks.
    const int64_t block_q = parameter(plan, "tile_q", 1) * target.vector, block_kv = parameter(plan, "block_kv", 64);

    if (flags.has("--picture"))
        write_text_file(flags.text("--picture"), picture_svg(mask_picture(spec.mask, shape.seq_len_q, shape.seq_len_kv, block_q, block_kv,
                                                                          max_svg_cells, max_svg_cells),
                                                             fmt::format("{}: mask {}, sq {}, skv {}", plan.variant_name(),
                                                                         mask_name(spec.mask), shape.seq_len_q, shape.seq_len_kv)));
    if (!stage.empty()) {
        const std::string text = stage == "plan"
                                     ? spec_to_toml(spec) + "\nalgorithm: " + plan.algorithm + "\nschedule:  " + schedule_text(plan) +
                                           "\n\n" + block_plan_text(spec, shape, block_q, block_kv)
                                     : kernel_stage_text(plan, stage);
        if (session.json)
            session.print_json({{"kernel", plan.variant_name()}, {"target", target.name}, {"stage", stage}, {"text", text}});
        else
            session.print(text.ends_with("\n") ? text : text + "\n");
        return 0;
    }

    const Cost cost = call_cost(spec, shape);
    const Roofline roof = roofline(target, cost);
    const MaskPicture picture = mask_picture(spec.mask, shape.seq_len_q, shape.seq_len_kv, block_q, block_kv, max_rows, max_columns);
    if (session.json) {
        session.print_json({{"kernel", plan.variant_name()},
                            {"spec", spec_json(spec)},
                            {"target", target.name},
                            {"algorithm", plan.algorithm},
                            {"schedule", {{"family", plan.schedule}, {"parameters", parameters_json(plan)}}},
                            {"reason", plan.reason},
                            {"shape", shape_text(shape)},
                            {"visible_pairs", cost.visible_pairs},
                            {"flops", cost.flops},
                            {"flops_formula", flops_formula},
                            {"bytes", cost.bytes},
                            {"bytes_formula", bytes_formula},
                            {"intensity", cost.intensity()},
                            {"footprint_bytes", plan.footprint_bytes},
                            {"footprint_formula", plan.footprint_formula},
                            {"roofline",
                             {{"threads", 1},
                              {"peak_gflops", roof.peak_gflops},
                              {"read_gbs", roof.read_gbs},
                              {"source", roof.measured ? "measured" : "assumed"},
                              {"ms", roof.ms()},
                              {"bound", roof.bound()}}},
                            {"blocks",
                             {{"block_q", block_q},
                              {"block_kv", block_kv},
                              {"full", picture.full},
                              {"partial", picture.partial},
                              {"empty", picture.empty}}},
                            {"picture", picture_rows(picture)}});
        return 0;
    }
    std::string text = session.bold(plan.variant_name()) + "\n\n" + spec_to_toml(spec) + "\n";
    const auto row = [&](const char *name, const std::string &value) { text += fmt::format("{:<10} {}\n", name, value); };
    row("target", fmt::format("{} ({} lanes of f32, {} registers)", target.name, target.vector, target.registers));
    row("algorithm", plan.algorithm);
    row("schedule", schedule_text(plan));
    row("because", plan.reason);
    row("footprint", fmt::format("{} = {}", human_bytes(double(plan.footprint_bytes)), plan.footprint_formula));
    text += "\n";
    row("shape", shape_text(shape));
    row("pairs", fmt::format("{} visible of {}", cost.visible_pairs, shape.batch * shape.num_heads * shape.seq_len_q * shape.seq_len_kv));
    row("flops", fmt::format("{:.4g} = {}", double(cost.flops), flops_formula));
    row("bytes", fmt::format("{} = {}", human_bytes(double(cost.bytes)), bytes_formula));
    row("intensity", fmt::format("{:.1f} flops a byte", cost.intensity()));
    row("roofline",
        fmt::format("{:.4g} ms on one thread, bound by {}: {:.1f} GFLOP/s, {:.1f} GB/s ({})", roof.ms(), roof.bound(), roof.peak_gflops,
                    roof.read_gbs, roof.measured ? "measured just now" : "assumed, this machine cannot run the target"));
    session.print(text + "\n" + picture_text(picture));
    return 0;
}

}  // namespace

const Command explain_command = {"explain", "what would be generated for a specification, why, and how fast it could be",
                                 "  attune explain --mask causal --head-dim 128 --shape h=8,sq=2048,skv=2048\n"
                                 "  attune explain kernel.toml --stage asm --target avx2",
                                 declare, run};

}  // namespace attune::cli

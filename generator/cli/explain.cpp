#include "generator/backend/device_target.h"
#include "generator/backend/kernel.h"
#include "generator/cli/command.h"
#include "generator/cli/cost.h"
#include "generator/cli/explain_device.h"
#include "generator/cli/mask_picture.h"
#include "generator/cli/params.h"
#include "generator/cli/peak.h"
#include "generator/cli/scaling.h"
#include "generator/cli/schedule_text.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/tuned.h"
#include "generator/plan/block_plan.h"
#include "schedules/tuned_db/record.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::cli {
namespace {

constexpr int max_rows = 32, max_columns = 64;  // of the picture in a terminal
constexpr int max_picture_cells = 256;          // of the picture in a file, each way
constexpr double peak_seconds = 0.02;

void declare(Flags &flags) {
    declare_params(flags);
    declare_spec_flags(flags);
    declare_tuned_flags(flags);
    flags.value("--shape", "SHAPE", "b=,h=,hkv=,sq=,skv= [b=1,h=1,hkv=h/group,sq=512,skv=512]");
    declare_target_flag(flags);
    flags.value("--stage", "STAGE",
                "print one stage: plan, algorithm, schedule, llvm or asm; of a device target plan or device, its code, or of CUDA sass");
    flags.value("--arch", "SM", "of --stage sass: the architecture of the card [sm_90]");
    flags.value("--picture", "F.svg|F.png", "write the picture of the mask; the ending chooses the format");
    flags.value("--head", "H", "the head that picture and block counts are of [0]");
    declare_scaling(flags);
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
    r.measured = machine_runs(target);
    r.peak_gflops = r.measured ? best_peak_gflops(target, 1, peak_seconds) : assumed_peak_gflops(target);
    r.read_gbs = r.measured ? measure_read_gbs(1, peak_seconds) : assumed_gbs;
    r.compute_ms = double(cost.flops) / r.peak_gflops * 1e-6;
    r.memory_ms = double(cost.bytes) / r.read_gbs * 1e-6;
    return r;
}

Json spec_json(const AttentionSpec &spec) {
    Json params = Json::object(), outputs = Json::array({"out"});
    for (const ParamDeclaration &param : spec.params)
        params[param.name] = param.text();
    if (spec.lse)
        outputs.push_back("lse");
    if (spec.pairs_output != PairsOutput::none)
        outputs.push_back(pairs_output_name(spec.pairs_output));
    return {{"id", spec.id()},
            {"name", spec.name},
            {"dtype", dtype_name(spec.dtype)},
            {"head_dim", spec.head_dim},
            {"head_dim_v", spec.head_dim_v},
            {"group", spec.group == 0 ? Json("any") : Json(spec.group)},
            {"scale", spec.scale},
            {"softmax_scale", spec.softmax_scale},
            {"mask", spec.mask_text()},
            {"score", spec.score ? Json(spec.score.text) : Json()},
            {"normalizer", normalizer_name(spec.normalizer)},
            {"params", params},
            {"outputs", outputs},
            {"algorithm", algorithm_name(spec.algorithm)},
            {"targets", spec.targets}};
}

/// How a mask's blocks look to the kernel: of the queries q_first … q_last that a strip of rows holds.
struct MaskBlocks {
    std::vector<ParamValue> values;
    int64_t block_q, block_kv;
    HeadPairs pairs;

    BlockMap map(const AttentionSpec &spec, int64_t rows, int64_t columns) const {
        return map_blocks({spec.mask.root, spec.params, values}, pairs, block_q, block_kv, rows, columns);
    }
};

/// What --param says; the rest as `check` draws it. drawn: names, and values of scalars, of that rest.
std::vector<ParamValue> explained_values(const AttentionSpec &spec, const Flags &flags, const Shape &shape, std::string &drawn) {
    constexpr uint64_t seed = 1;
    std::vector<ParamValue> out;
    const GivenParams given(flags, spec);
    const std::vector<Argument> arguments = given.arguments(shape, seed);
    for (size_t i = 0; i < arguments.size(); i++) {
        const ParamDeclaration &param = spec.params[i];
        const ParamValue &value = out.emplace_back(argument_value(param, arguments[i]));
        if (given.texts().contains(param.name))
            continue;
        drawn += (drawn.empty() ? "" : ", ") + param.name;
        if (param.is_scalar())
            drawn += param.type() == ExprType::integer ? fmt::format(" = {}", value.integer) : fmt::format(" = {:.4g}", value.real);
    }
    return out;
}

std::vector<std::string> range_formulas(const AttentionSpec &spec) {
    std::vector<std::string> out;
    for (const KeyRange &range : plan_blocks(spec.mask.root, spec.params).ranges)
        out.push_back(print_expression(range.first, spec.params) + " … " + print_expression(range.last, spec.params));
    return out;
}

/// The derived formulas, and what they come to for each block of queries.
std::string block_plan_text(const AttentionSpec &spec, const MaskBlocks &blocks) {
    constexpr int64_t shown = 64;
    const BlockPlan plan = plan_blocks(spec.mask.root, spec.params);
    std::string text = "block plan of queries q_first … q_last and keys kv_first … kv_last\n";
    for (const std::string &range : range_formulas(spec))
        text += "  keys     " + range + "\n";
    text += "  visited  " + print_expression(plan.some, spec.params) + "\n";
    text += "  full     " + print_expression(plan.all, spec.params) + "\n";
    const HeadPairs &pairs = blocks.pairs;
    text += fmt::format("blocks of {} queries x {} keys, for sq={}, skv={}, head {}\n", blocks.block_q, blocks.block_kv, pairs.seq_len_q,
                        pairs.seq_len_kv, pairs.h);
    const int64_t count = (pairs.seq_len_q + blocks.block_q - 1) / blocks.block_q;
    for (int64_t i = 0; i < count; i++) {
        if (i == shown / 2 && count > shown) {
            text += fmt::format("  … {} more\n", count - shown);
            i = count - shown / 2;
        }
        const int64_t first = i * blocks.block_q, last = std::min(first + blocks.block_q, pairs.seq_len_q) - 1;
        const RowBlocks row = map_row_blocks({spec.mask.root, spec.params, blocks.values}, pairs, first, blocks.block_q, blocks.block_kv);
        std::string keys;
        for (const auto &[begin, end] : row.keys)
            keys += fmt::format("{}{} … {}", keys.empty() ? "" : ", ", begin, end);
        text += fmt::format("  queries {:>6} … {:<6}  full {:<4} partial {:<4} skipped {:<4} keys {}\n", first, last, row.full, row.partial,
                            row.skipped, keys.empty() ? "none" : keys);
    }
    return text;
}

/// Of the row that the schedule comes from; null where it is the default.
Json tuned_json(const KernelPlan &plan) {
    if (!plan.tuned)
        return nullptr;
    return {{"file", plan.tuned->file}, {"date", plan.tuned->date}, {"device", plan.tuned->device}};
}

/// The rule that a call's schedule is chosen by, where there are several.
Json schedules_json(const std::vector<KernelPlan> &plans) {
    Json json = Json::array();
    for (const KernelPlan &plan : plans)
        json.push_back({{"calls", plan.calls.text()},
                        {"most_seq_len_q", plan.calls.most_seq_len_q},
                        {"most_seq_len_kv", plan.calls.most_seq_len_kv},
                        {"parameters", parameters_json(plan)}});
    return json;
}

int run(const Flags &flags, Session &session) {
    const std::string stage = flags.one_of("--stage", {"plan", "algorithm", "schedule", "llvm", "asm", "device", "sass"}, "");
    const AttentionSpec spec = validate_spec(raw_spec(flags));
    const DeviceTarget *device = find_device_target(flags.text("--target"));
    if (device && flags.has("--scaling"))
        throw Error({.argument = "--target",
                     .value = device->name,
                     .expected = "a CPU target, which the cost model knows",
                     .cure = "leave --target out"});
    if (device)
        return explain_device(spec, *device, stage, flags.text("--arch", "sm_90"), session);
    const Shape shape = parse_shape(flags.text("--shape", "b=1"), spec.group);
    if (flags.has("--picture"))
        check_picture_path("--picture", flags.text("--picture"));
    const CpuTarget &target = target_to_explain(flags, spec);
    if (flags.has("--scaling"))
        return explain_scaling(flags, spec, target, shape, session);
    for (const char *flag : {"--plot", "--measure", "--budget"})
        if (flags.has(flag))
            throw Error({.argument = flag,
                         .value = flags.is_toggle(flag) ? "given" : flags.text(flag),
                         .expected = "--scaling beside it",
                         .cure = "add --scaling, or leave " + std::string(flag) + " out"});
    const std::vector<KernelPlan> plans = tuned_plans(flags, spec, target);
    const KernelPlan &plan = *std::find_if(plans.begin(), plans.end(), [&](const KernelPlan &p) {
        return p.calls.holds(shape.seq_len_q, shape.seq_len_kv);  // the last holds every call
    });
    // Strips of rows and chunks of keys decide what is full, partial or skipped. Heads that share a strip leave it fewer queries.
    const attune_kernel_variant sizes = planned_sizes(plan);
    const int64_t head = flags.integer("--head", 0, std::max<int64_t>(shape.num_heads - 1, 0), 0);
    std::string drawn;
    const MaskBlocks blocks = {explained_values(spec, flags, shape, drawn),
                               std::max(sizes.strip_rows / std::max(sizes.fold, 1), 1),
                               sizes.block_kv,
                               {0, head, head / std::max<int64_t>(shape.num_heads / std::max<int64_t>(shape.num_kv_heads, 1), 1),
                                shape.seq_len_q, shape.seq_len_kv}};

    if (flags.has("--picture"))
        write_picture(flags.text("--picture"),
                      draw_mask(blocks.map(spec, max_picture_cells, max_picture_cells),
                                fmt::format("{}: mask {}, sq {}, skv {}", spec.name, spec.mask_text(), shape.seq_len_q, shape.seq_len_kv)));
    if (!stage.empty()) {
        const std::string text = stage == "plan" ? spec_to_toml(spec) + "\nalgorithm: " + plan.algorithm +
                                                       "\nschedule:  " + schedule_text(plan) + "\n\n" + block_plan_text(spec, blocks)
                                                 : kernel_stage_text(plan, stage);
        if (session.json)
            session.print_json({{"kernel", plan.variant_name()}, {"target", target.name}, {"stage", stage}, {"text", text}});
        else
            session.print(text.ends_with("\n") ? text : text + "\n");
        return 0;
    }

    const Cost cost = call_cost(spec, shape, blocks.values);
    const Roofline roof = roofline(target, cost);
    const BlockMap picture = blocks.map(spec, max_rows, max_columns);
    const std::vector<std::string> ranges = range_formulas(spec);
    if (session.json) {
        session.print_json({{"kernel", plan.variant_name()},
                            {"spec", spec_json(spec)},
                            {"target", target.name},
                            {"algorithm", plan.algorithm},
                            {"schedule", {{"family", plan.schedule}, {"parameters", parameters_json(plan)}}},
                            {"spec_hash", spec_hash(spec.canonical())},
                            {"tuned", tuned_json(plan)},
                            {"schedules", schedules_json(plans)},
                            {"reason", plan.reason},
                            {"shape", shape_text(shape)},
                            {"visible_pairs", cost.visible_pairs},
                            {"flops", cost.flops},
                            {"flops_formula", flops_formula(spec)},
                            {"bytes", cost.bytes},
                            {"bytes_formula", bytes_formula(spec)},
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
                            {"ranges", ranges},
                            {"blocks",
                             {{"block_q", picture.block_q},
                              {"block_kv", picture.block_kv},
                              {"head", head},
                              {"full", picture.full},
                              {"partial", picture.partial},
                              {"skipped", picture.skipped},
                              {"needed", picture.needed},
                              {"visible_pairs", picture.visible_pairs},
                              {"computed_pairs", picture.computed_pairs},
                              {"density", picture.density()},
                              {"useful_share", picture.useful_share()},
                              {"tightness", picture.tightness()}}},
                            {"picture", picture_rows(picture)}});
        return 0;
    }
    std::string text = session.bold(plan.variant_name()) + "\n\n" + spec_to_toml(spec) + "\n";
    const auto row = [&](const char *name, const std::string &value) { text += fmt::format("{:<10} {}\n", name, value); };
    row("target", fmt::format("{} ({} lanes of f32, {} registers)", target.name, target.vector, target.registers));
    row("algorithm", plan.algorithm);
    row("schedule", schedule_text(plan));
    for (size_t i = 0; plans.size() > 1 && i < plans.size(); i++)
        row(i == 0 ? "by seq_len" : "", fmt::format("{}: {}", plans[i].calls.text(), parameters_text(plans[i])));
    if (plan.tuned)
        row("tuned", fmt::format("{}, {}, on {}", plan.tuned->file, plan.tuned->date, plan.tuned->device));
    row("because", plan.reason);
    row("footprint", fmt::format("{} = {}", human_bytes(double(plan.footprint_bytes)), plan.footprint_formula));
    text += "\n";
    for (const std::string &range : ranges)
        row("keys", range + "   (of queries q_first … q_last)");
    if (spec.block_mask)
        row("", "and in the call's list of blocks; the picture does not know it");
    row("shape", shape_text(shape));
    if (!drawn.empty())
        row("params", fmt::format("not given, drawn at random: {}; give --param NAME=VALUE or NAME=FILE.npy", drawn));
    row("pairs", fmt::format("{} visible of {}", cost.visible_pairs, shape.batch * shape.num_heads * shape.seq_len_q * shape.seq_len_kv));
    row("flops", fmt::format("{:.4g} = {}", double(cost.flops), flops_formula(spec)));
    row("bytes", fmt::format("{} = {}", human_bytes(double(cost.bytes)), bytes_formula(spec)));
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
                                 "  attune explain --mask 'causal && (window(255) || kv < 4)' --picture mask.svg\n"
                                 "  attune explain --mask causal --shape h=8 --scaling --measure --plot scaling.svg\n"
                                 "  attune explain kernel.toml --stage asm --target avx2\n"
                                 "  attune explain kernel.toml --stage device --target cuda\n"
                                 "  attune explain kernel.toml --stage sass --target cuda --arch sm_80",
                                 declare, run};

}  // namespace attune::cli

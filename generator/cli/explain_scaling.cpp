#include "generator/cli/machine.h"
#include "generator/cli/params.h"
#include "generator/cli/peak.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/scaling.h"
#include "generator/cli/tuned.h"
#include "generator/spec/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace attune::cli {
namespace {

constexpr int default_budget = 20;  // seconds of measuring

/// Of this machine, else of the one that `explain` assumes.
MachineLimits limits_to_reckon_with(const CpuTarget &target, bool measured) {
    if (measured)
        return machine_limits(target);
    MachineLimits limits;
    limits.vector_gflops = assumed_gflops_per_lane * target.vector;
    limits.peak_gflops = assumed_peak_gflops(target);
    limits.levels = {{std::numeric_limits<double>::infinity(), assumed_gbs}};
    return limits;
}

Json scaling_json(const Scaling &scaling) {
    const auto or_null = [](const std::optional<double> &x) { return x ? Json(*x) : Json(); };
    Json variants = Json::array();
    for (const ScalingVariant &variant : scaling.variants) {
        Json points = Json::array();
        for (const ScalingPoint &p : variant.points)
            points.push_back({{"seq_len", p.shape.seq_len_kv},
                              {"shape", shape_text(p.shape)},
                              {"computed_pairs", p.pairs},
                              {"extrapolated", p.extrapolated},
                              {"predicted_ms", p.predicted_ms},
                              {"exponent", p.exponent == 0 ? Json() : Json(p.exponent)},
                              {"measured_ms", or_null(p.measured_ms)},
                              {"tensor_bytes", p.tensor_bytes},
                              {"workspace_bytes", or_null(p.workspace_bytes)},
                              {"score_matrix_bytes", p.score_bytes}});
        variants.push_back({{"name", variant.name},
                            {"mask", variant.spec.mask_text()},
                            {"normalizer", normalizer_name(variant.spec.normalizer)},
                            {"points", points}});
    }
    return {{"target", scaling.target},
            {"threads", scaling.threads},
            {"limits", scaling.measured_limits ? "measured" : "assumed"},
            {"variants", variants}};
}

std::string ms_text(double ms) {
    return ms < 999.5 ? fmt::format("{:.3g}", ms) : fmt::format("{:.0f}", ms);
}

std::string scaling_text(const Scaling &scaling) {
    const bool has_measured =
        std::any_of(scaling.variants.begin(), scaling.variants.end(), [](const auto &v) { return v.points[0].measured_ms; });
    std::string text =
        fmt::format("milliseconds of a call on {} thread{} of {}, by the cost model ({}); ^ is the growth exponent from half the length\n",
                    scaling.threads, scaling.threads == 1 ? "" : "s", scaling.target,
                    scaling.measured_limits ? "of this machine as measured" : "of an assumed machine");
    std::vector<std::vector<std::string>> times = {{"S"}}, bytes = {{"S", "tensors", "workspace", "a score matrix"}};
    std::vector<bool> numeric = {true};
    for (const ScalingVariant &variant : scaling.variants) {
        times[0].push_back(variant.name);
        times[0].emplace_back("^");
        numeric.insert(numeric.end(), {true, true});
        if (has_measured) {
            times[0].emplace_back("measured");
            numeric.push_back(true);
        }
    }
    const std::vector<ScalingPoint> &own = scaling.variants[0].points;
    bool has_extrapolated = false;
    for (size_t i = 0; i < own.size(); i++) {
        std::vector<std::string> &row = times.emplace_back(1, fmt::to_string(own[i].shape.seq_len_kv));
        for (const ScalingVariant &variant : scaling.variants) {
            const ScalingPoint &p = variant.points[i];
            has_extrapolated |= p.extrapolated;
            row.push_back((p.extrapolated ? "~" : "") + ms_text(p.predicted_ms));
            row.push_back(i > 0 ? fmt::format("{:.2f}", p.exponent) : "");
            if (has_measured)
                row.push_back(p.measured_ms ? ms_text(*p.measured_ms) : "");
        }
        bytes.push_back({fmt::to_string(own[i].shape.seq_len_kv), human_bytes(own[i].tensor_bytes),
                         own[i].workspace_bytes ? human_bytes(*own[i].workspace_bytes) : "not known here",
                         human_bytes(own[i].score_bytes)});
    }
    text += align_table(times, numeric);
    if (has_extrapolated)
        text += "~ pairs go on as the doubling before did: to walk this mask over them would take too long\n";
    for (const ScalingVariant &variant : scaling.variants)
        text +=
            fmt::format("{:<14} {}mask {}\n", variant.name, is_linear(variant.spec) ? "normalizer linear, " : "", variant.spec.mask_text());
    text += "\nmemory: what a call reads and writes, what it takes beside them, and what one f32 matrix of all scores would take\n";
    return text + align_table(bytes, {true, true, true, true});
}

}  // namespace

void declare_scaling(Flags &flags) {
    flags.toggle("--scaling", "time and memory against the length, of this mask and of usual ones in its place");
    flags.value("--plot", "F.svg|F.png", "draw what --scaling tells");
    flags.toggle("--measure", "with --scaling: measure beside the prediction, as far as the time goes");
    flags.value("--budget", "SECONDS", fmt::format("of --measure [{}]", default_budget));
}

int explain_scaling(const Flags &flags, const AttentionSpec &spec, const CpuTarget &target, const Shape &shape, Session &session) {
    for (const char *flag : {"--stage", "--picture"})
        if (flags.has(flag))
            throw Error({.argument = flag,
                         .value = flags.text(flag),
                         .expected = "no --scaling beside it",
                         .cure = "run the two one after another; --plot draws the scaling"});
    const double budget = double(flags.integer("--budget", 1, 86400, default_budget));
    if (flags.has("--plot"))
        check_picture_path("--plot", flags.text("--plot"));
    const bool runs_here = machine_runs(target);
    if (flags.has("--measure") && !runs_here)
        runnable_target(target.name, {target.name}, spec.types());  // says why not

    Scaling scaling;
    scaling.target = target.name;
    scaling.measured_limits = runs_here;
    scaling.variants = scaling_variants(spec);
    const MachineLimits machine = limits_to_reckon_with(target, runs_here);
    const std::vector<Shape> shapes = scaling_shapes(spec, shape);
    const GivenParams given(flags, spec);
    for (ScalingVariant &variant : scaling.variants) {
        std::vector<CallParams> params;
        for (const Shape &s : shapes)
            params.push_back(variant.spec.params == spec.params ? params_or_random(given, flags, variant.spec, s, scaling_seed)
                                                                : CallParams(variant.spec, {}));
        const CompileOptions options = tuned_options(flags, variant.spec, target);
        predict_scaling(variant, shapes, params, target, plan_kernel(variant.spec, target, options.overrides), machine, scaling.threads);
        if (!runs_here)
            continue;
        const auto kernel = load_kernel(variant.spec, target, options);
        for (ScalingPoint &point : variant.points)
            point.workspace_bytes = double(workspace_bytes(*kernel, point.shape, scaling.threads));
        if (flags.has("--measure"))
            measure_scaling(variant, *kernel, params, scaling.threads, budget / double(scaling.variants.size()));
    }
    if (flags.has("--plot"))
        write_picture(flags.text("--plot"),
                      draw_scaling(scaling, fmt::format("{}: mask {}, {}, head_dim {}, b={}, h={}", spec.phase(), spec.mask_text(),
                                                        dtype_name(spec.dtype), spec.head_dim, shape.batch, shape.num_heads)));
    if (session.json)
        session.print_json(scaling_json(scaling));
    else
        session.print(scaling_text(scaling));
    return 0;
}

}  // namespace attune::cli

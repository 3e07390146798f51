#include "generator/cli/command.h"
#include "generator/cli/cost.h"
#include "generator/cli/params.h"
#include "generator/cli/peak.h"
#include "generator/cli/problem.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/schedule_text.h"
#include "generator/cli/spec_flags.h"
#include "generator/cli/tuned.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace attune::cli {
namespace {

constexpr double default_seconds = 0.5;  // of kernel time for a shape
constexpr int min_repeats = 5, max_groups = 10;
constexpr double peak_seconds = 0.01;  // each; one before the first group and one after each
constexpr double warm_ms = 50;         // of calls before the first that counts
constexpr double cache_ms = 20;        // a longer call fills the caches by itself

using Clock = std::chrono::steady_clock;

void declare(Flags &flags) {
    declare_params(flags);
    declare_block_lists(flags);
    declare_spec_flags(flags);
    declare_tuned_flags(flags);
    flags.list("--shape", "SHAPE", "b=,h=,hkv=,sq=,skv= [b=1,h=1,hkv=h/group,sq=512,skv=512]");
    declare_target_flag(flags);
    flags.value("--threads", "N", "threads of a call [1]");
    flags.value("--repeat", "R", "measured calls [as many as take 0.5 s, at least 5]");
    flags.value("--inputs", "KIND", "normal, wide or spike: what the numbers look like [normal]");
    flags.value("--seed", "N", "of the random inputs, and of the parameters and block lists that are not given [1]");
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

struct Timing {
    double median_ms = 0, min_ms = 0, peak_gflops = 0;
};

/// Groups of calls with a measurement of the peak between them, so that both see the same clock and the same neighbours.
Timing measure(KernelCall &call, const CpuTarget &target, int threads, int64_t repeats) {
    const auto timed_run = [&] {
        const auto begin = Clock::now();
        call.run();
        return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    };
    call.run();  // warm-up: pages, caches, threads, the clock
    double warm = timed_run();
    for (double spent = warm; spent < warm_ms; spent += warm) {
        const double again = timed_run();
        warm = std::max(1e-4, std::min(warm, again));
    }
    if (repeats == 0)
        repeats = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(default_seconds * 1e3 / std::max(warm, 1e-4))), min_repeats, 100000);

    std::vector<double> times, peaks = {best_peak_gflops(target, threads, peak_seconds)};
    const int64_t groups = std::min<int64_t>(repeats, max_groups);
    for (int64_t group = 0; group < groups; group++) {
        if (warm < cache_ms)
            call.run();  // other threads may have used the cache while the peak was measured
        for (int64_t i = repeats * group / groups; i < repeats * (group + 1) / groups; i++)
            times.push_back(timed_run());
        peaks.push_back(best_peak_gflops(target, threads, peak_seconds));
    }
    return {median(times), *std::min_element(times.begin(), times.end()), median(peaks)};
}

/// Of a kernel with several schedules the one that calls of this shape run.
std::string schedule_of_call(const LoadedKernel &kernel, const Shape &shape) {
    return kernel.kernel()->num_variants == 1
               ? schedule_text(kernel.plan())
               : fmt::format("{}({})", kernel.plan().schedule,
                             attune_kernel_schedule(kernel.kernel(), shape.seq_len_q, shape.seq_len_kv));
}

int run(const Flags &flags, Session &session) {
    const std::string inputs = flags.one_of("--inputs", {"normal", "wide", "spike"}, "normal");
    const int threads = static_cast<int>(flags.integer("--threads", 1, 1024, 1));
    const int64_t repeats = flags.integer("--repeat", 1, 1000000, 0);
    const uint64_t seed = flags.integer("--seed", 0, INT64_MAX, 1);
    const AttentionSpec spec = validate_spec(raw_spec(flags));
    std::vector<Shape> shapes;
    for (const auto &text : flags.has("--shape") ? flags.all("--shape") : std::vector<std::string>{"b=1"}) {
        shapes.push_back(parse_shape(text, spec.group));
        check_index_range(spec, shapes.back(), ErrorCode::usage);
    }
    const GivenParams given(flags, spec);
    std::vector<CallParams> params;
    for (const Shape &shape : shapes)
        params.push_back(params_or_random(given, flags, spec, shape, seed));
    const CpuTarget &target = target_to_run(flags, spec);
    const auto kernel = load_kernel(spec, target, tuned_options(flags, spec, target));
    if (!pin_to_cpus(threads))
        spdlog::warn("{} threads on {} usable CPUs: not pinned", threads, usable_cpus().size());

    Json result = Json::array();
    std::vector<std::vector<std::string>> rows = {
        {"kernel", "shape", "threads", "median ms", "min ms", "GFLOP/s", "peak", "share", "GB/s"}};
    for (size_t i = 0; i < shapes.size(); i++) {
        const Shape &shape = shapes[i];
        Timing timing;
        for (InputKind kind : input_kinds(inputs)) {  // of several, the slowest counts
            spdlog::info("measuring {} ({})", shape_text(shape), input_kind_name(kind));
            const Problem problem(spec, shape, kind, seed, params[i]);
            KernelCall call(*kernel, problem.call(), threads, {.lse = spec.lse});
            if (const Timing t = measure(call, target, threads, repeats); t.median_ms > timing.median_ms)
                timing = t;
        }
        const Cost cost = call_cost(spec, shape, params[i].values(), params[i].lists());
        const double gflops = double(cost.flops) / timing.median_ms * 1e-6, gbs = double(cost.bytes) / timing.median_ms * 1e-6;
        result.push_back({{"kernel", kernel->plan().variant_name()},
                          {"target", target.name},
                          {"schedule", schedule_of_call(*kernel, shape)},
                          {"shape", shape_text(shape)},
                          {"threads", threads},
                          {"median_ms", timing.median_ms},
                          {"min_ms", timing.min_ms},
                          {"visible_pairs", cost.visible_pairs},
                          {"flops", cost.flops},
                          {"gflops", gflops},
                          {"peak_gflops", timing.peak_gflops},
                          {"share_of_peak", gflops / timing.peak_gflops},
                          {"bytes", cost.bytes},
                          {"gbs", gbs}});
        rows.push_back({kernel->plan().variant_name(), shape_text(shape), std::to_string(threads), fmt::format("{:.4g}", timing.median_ms),
                        fmt::format("{:.4g}", timing.min_ms), fmt::format("{:.1f}", gflops), fmt::format("{:.1f}", timing.peak_gflops),
                        fmt::format("{:.1f} %", 100 * gflops / timing.peak_gflops), fmt::format("{:.2f}", gbs)});
    }
    if (session.json)
        session.print_json(result);
    else
        session.print(align_table(rows, {false, false, true, true, true, true, true, true, true}));
    return 0;
}

}  // namespace

const Command bench_command = {"bench", "time a kernel, beside the peak of the same machine at the same moment",
                               "  attune bench --mask causal --shape h=8,sq=2048,skv=2048 --shape h=8,sq=4096,skv=4096 --threads 2\n"
                               "  attune bench --mask \"window(w)\" --params \"w: i32\" --param w=255 --shape h=8,sq=4096,skv=4096",
                               declare, run};

}  // namespace attune::cli

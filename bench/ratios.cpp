#include "ratios.h"

#include "decode_figures.h"
#include "ratio_table.h"

#include "generator/cli/peak.h"
#include "generator/cli/session.h"
#include "measure.h"
#include "workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>

namespace attune::bench {
namespace {

/// The sides of one target.
class Sides {
public:
    explicit Sides(const CpuTarget &target) : target_(target) {}

    /// A kernel on arrays of its own, made ready and checked at the first use. Its rate is that of the fastest call in a slot.
    Rate kernel(const Workload &workload, int threads = 1, InputKind kind = InputKind::normal) {
        struct State {
            Workload workload;
            Arrays arrays;
            std::unique_ptr<cli::KernelCall> call;
        };
        const auto state = std::make_shared<State>(State{workload, {}, nullptr});
        return [this, state, threads, kind, clock = clock_] {
            const Workload &w = state->workload;
            if (!state->call) {
                state->arrays = random_arrays(w, kind);
                const LoadedKernel &kernel = kernel_for(w.spec, target_);
                state->call =
                    std::make_unique<cli::KernelCall>(kernel, call_inputs(w, state->arrays), threads, cli::CallOutputs{.lse = true});
                state->call->run();
                check(w, state->arrays, *state->call, precision_of(w.spec.types(), kernel.plan().rounds_weights),
                      kernel.plan().variant_name() + ", inputs " + input_kind_name(kind));
            }
            state->call->run();  // the other side's arrays are in the cache
            return double(workload_cost(w).flops) / fastest_seconds(*state->call, clock) * 1e-9;
        };
    }
    Rate peak() const {
        return [this] { return peak_gflops(target_, 1); };
    }
    /// As seconds_now: 1 by CPU time, else by the wall, for sides of several threads and what they are compared with.
    void use_clock(int threads) { clock_ = threads; }
    int wrong = 0;

private:
    void check(const Workload &workload, const Arrays &arrays, const cli::KernelCall &call, const Precision &precision,
               const std::string &what) {
        const std::string error = sampled_error(workload, arrays, call.output(), call.lse(), precision);
        if (error.empty())
            return;
        std::fprintf(stderr, "attune_bench: %s: %s\n", what.c_str(), error.c_str());
        wrong++;
    }
    const CpuTarget &target_;
    int clock_ = 1;
};

/// One sequence, 8 heads.
Workload heads_8(DType dtype, int64_t seq_len, int head_dim, const char *mask) {
    return make_workload(dtype, {1, 8, 8, seq_len, seq_len}, head_dim, head_dim, {.mask = mask});
}

/// Masks and scores against the dense rate of the same shape: what they leave of it, on the pairs that they show.
struct PairsFigure {
    const char *name;
    cli::Shape shape;
    int head_dim;
    PairsText pairs;
    double wanted;
};
const PairsFigure pairs_figures[] = {
    {"causal && window(255), S 4096 d 128, 8 heads on 2", {1, 8, 2, 4096, 4096}, 128, {.mask = "causal && window(255)"}, 0.8},
    {"a tenth of the blocks, S 4096 d 128", {1, 8, 8, 4096, 4096}, 128, {.block_density = 0.1}, 0.87},
    {"ALiBi causal, S 4096 d 64", {1, 8, 8, 4096, 4096}, 64, {.mask = "causal", .score = "alibi(m)", .params = "m: f32[h]"}, 0.8},
    {"soft cap causal, S 4096 d 128", {1, 8, 8, 4096, 4096}, 128, {.mask = "causal", .score = "softcap(s, 50)"}, 0.8},
    {"16 documents, S 8192 d 128", {1, 2, 2, 8192, 8192}, 128, documents_16, 0.8},
    {"Longformer, S 4096 d 64", {1, 8, 8, 4096, 4096}, 64, {.mask = "global(64) || window(256, 256)"}, 0.8},
    {"BigBird, S 4096 d 64", {1, 8, 8, 4096, 4096}, 64, {.mask = "bigbird(64, 64, 3, 2, 3, 0)"}, 0.8},
};

/// Products of bf16 pairs are two a lane: what of it reaches attention. The figure is ours.
int add_bf16_target(RatioTable &table, const CpuTarget &target) {
    Sides sides(target), f32_sides(*available_targets().front());
    for (int64_t seq : {1024, 4096})
        for (int dim : {64, 128})
            for (const char *mask : {"none", "causal"})
                table.add(fmt::format("{}: {} S {} d {}, bf16 / f32", target.name, mask, seq, dim),
                          sides.kernel(heads_8(DType::bf16, seq, dim, mask)), f32_sides.kernel(heads_8(DType::f32, seq, dim, mask)), 1.5);
    return sides.wrong + f32_sides.wrong;
}

int add_target(RatioTable &table, const CpuTarget &target) {
    if (!target.serves(DType::f32))
        return add_bf16_target(table, target);
    using enum DType;
    Sides sides(target);
    const auto what = [&](const std::string &text) { return fmt::format("{}: {}", target.name, text); };

    const double share = target.vector == 16 ? 0.68 : target.vector == 8 ? 0.62 : 0;  // no figure for the baseline
    for (int64_t seq : {1024, 4096})
        for (int dim : {64, 128})
            table.add(what(fmt::format("f32 none S {} d {} / peak", seq, dim)), sides.kernel(heads_8(f32, seq, dim, "none")), sides.peak(),
                      share);
    for (int64_t seq : {2048, 4096})
        for (int dim : {64, 128})
            table.add(what(fmt::format("f32 S {} d {}, causal / none", seq, dim)), sides.kernel(heads_8(f32, seq, dim, "causal")),
                      sides.kernel(heads_8(f32, seq, dim, "none")), 0.85);
    for (DType dtype : {f16, bf16})
        for (int dim : {64, 128})
            table.add(what(fmt::format("none S 1024 d {}, {} / f32", dim, dtype_name(dtype))),
                      sides.kernel(heads_8(dtype, 1024, dim, "none")), sides.kernel(heads_8(f32, 1024, dim, "none")), 0.85);
    for (const PairsFigure &row : pairs_figures)
        table.add(what(fmt::format("f32 {} / none", row.name)),
                  sides.kernel(make_workload(f32, row.shape, row.head_dim, row.head_dim, row.pairs)),
                  sides.kernel(make_workload(f32, row.shape, row.head_dim, row.head_dim)), row.wanted);
    sides.use_clock(2);
    if (cli::usable_cpus().size() >= 2)
        for (const char *mask : {"none", "causal"})
            for (int dim : {64, 128})
                table.add(what(fmt::format("f32 {} S 2048 d {}, 2 threads / 1", mask, dim)), sides.kernel(heads_8(f32, 2048, dim, mask), 2),
                          sides.kernel(heads_8(f32, 2048, dim, mask), 1), 1.85);
    sides.use_clock(1);

    struct {
        const char *name;
        InputKind kind;
        const char *mask = "none";
        bool padding = false;
    } const inputs[] = {{"wide x 8", InputKind::wide_8},
                        {"wide x 20", InputKind::wide_20},
                        {"spike visible", InputKind::spike},
                        {"spike hidden by causal", InputKind::spike, "causal"},
                        {"spike hidden by padding", InputKind::spike, "none", true}};
    for (DType dtype : {f32, f16, bf16})
        for (const auto &input : inputs) {
            const Workload w = make_workload(dtype, {2, 4, 4, 1024, 1024}, 64, 64, {.mask = input.mask}, input.padding);
            table.add(what(fmt::format("{} S 1024 d 64, {} / normal", dtype_name(dtype), input.name)), sides.kernel(w, 1, input.kind),
                      sides.kernel(w), 0.6);
        }
    return sides.wrong;
}

}  // namespace

int print_ratios(const std::vector<const CpuTarget *> &targets, const std::string &filter) {
    RatioTable table(filter);
    int wrong = 0;
    for (const CpuTarget *target : targets)
        wrong += add_target(table, *target) + add_decode_figures(table, *target);
    table.print();
    return wrong;
}

}  // namespace attune::bench

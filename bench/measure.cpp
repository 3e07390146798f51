#include "measure.h"

#include "generator/cli/peak.h"
#include "generator/cli/schedule_text.h"
#include "naive.h"
#include "shapes.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <memory>
#include <set>

namespace attune::bench {
namespace {

constexpr int64_t naive_flops = 2'000'000'000;  // larger shapes would take the naive loops seconds
constexpr double peak_seconds = 0.004;

std::set<std::string> failed;

struct Row {
    std::string name;
    Workload workload;
    const CpuTarget *target;  ///< of the kernel; of the peak only where the row is naive
    int threads = 1;
    bool naive = false, checked = false;
};

/// A call made ready to run, and where it leaves its result.
struct Callee {
    std::function<void()> run;
    std::function<std::string()> error;
    std::string label;
};

Callee prepare(const Row &row) {
    const Workload &w = row.workload;
    const Arrays &arrays = shared_arrays(w.spec.dtype);
    if (row.naive) {
        const auto output = std::make_shared<cli::Bytes>(w.shape.batch * w.shape.num_heads * w.shape.seq_len_q * w.spec.head_dim_v * 4);
        return {[&w, &arrays, output] { naive_attention(w, arrays, output->as<float>()); },
                [&w, &arrays, output] { return sampled_error(w, arrays, *output, nullptr, precision_of(w.spec.types())); }, "loops"};
    }
    const LoadedKernel &kernel = kernel_for(w.spec, *row.target);
    const auto call = std::make_shared<cli::KernelCall>(kernel, call_inputs(w, arrays), row.threads, cli::CallOutputs{.lse = true});
    const Precision precision = precision_of(w.spec.types(), kernel.plan().rounds_weights);
    return {[call] { call->run(); },
            [&w, &arrays, call, precision] { return sampled_error(w, arrays, call->output(), call->lse(), precision); },
            kernel.plan().variant_name() + " " + cli::schedule_text(kernel.plan())};
}

void measure(benchmark::State &state, Row &row) {
    const Callee callee = prepare(row);
    callee.run();  // warm-up: pages, threads, the clock
    if (!row.checked) {
        if (const std::string error = callee.error(); !error.empty())
            throw std::runtime_error(error);
        row.checked = true;
    }
    const double peak_before = peak_gflops(*row.target, row.threads);
    callee.run();  // the peak's loop left no array in the cache
    double total = 0, best = 1e30;
    for (auto _ : state) {
        const double begin = seconds_now(row.threads);
        callee.run();
        const double seconds = seconds_now(row.threads) - begin;
        total += seconds;
        best = std::min(best, seconds);
    }
    const double peak = std::max(peak_before, peak_gflops(*row.target, row.threads));
    const cli::Cost cost = workload_cost(row.workload);
    const double calls_per_second = double(state.iterations()) / total, gflops = double(cost.flops) * calls_per_second * 1e-9;
    state.counters["ms"] = 1e3 / calls_per_second;
    state.counters["GFLOP/s"] = gflops;
    state.counters["best_GFLOP/s"] = double(cost.flops) / best * 1e-9;
    state.counters["peak_GFLOP/s"] = peak;
    state.counters["share_of_peak"] = gflops / peak;
    state.counters["GB/s"] = double(cost.bytes) * calls_per_second * 1e-9;
    state.SetLabel(callee.label);
}

void add(Row row) {
    const auto shared = std::make_shared<Row>(std::move(row));
    benchmark::RegisterBenchmark(shared->name.c_str(), [shared](benchmark::State &state) {
        try {
            measure(state, *shared);
        } catch (const std::exception &error) {
            failed.insert(shared->name);
            state.SkipWithError(error.what());
        }
    })->Unit(benchmark::kMillisecond);
}

const KernelTypes measured_types[] = {
    DType::f32, DType::f16, DType::bf16, {DType::f16, ComputeDType::f16}, {DType::f16, ComputeDType::i8}, {DType::bf16, ComputeDType::i8}};

}  // namespace

void register_rows(const std::vector<const CpuTarget *> &targets) {
    for (const BenchShape &shape : bench_shapes)
        for (const KernelTypes &types : measured_types) {
            const DType dtype = types.storage;
            Workload w = make_workload(dtype, shape.shape, shape.head_dim, shape.head_dim_v, shape.pairs, shape.padding);
            w.spec.compute_dtype = types.compute;
            w.spec.decode = shape.decode;
            w.spec.name = w.spec.id();
            const bool small_products = types.compute != ComputeDType::f32;
            if (shape.decode && small_products)
                continue;  // products of decode are f32
            const std::string name = fmt::format("{}/{}{}", shape.name, dtype_name(dtype),
                                                 small_products ? fmt::format("_products_{}", compute_dtype_name(types.compute)) : "");
            for (const CpuTarget *target : targets) {
                if (!target->serves(types) || (small_products && target->serves(DType::f32)))
                    continue;  // without units for smaller products a target's code is that of f32 products
                for (int threads : {1, 2})
                    add({fmt::format("{}/{}/threads:{}", name, target->name, threads), w, target, threads});
                if (dtype != DType::f32 || shape.decode)
                    continue;
                for (Algorithm algorithm : {Algorithm::online, Algorithm::full_row}) {
                    Workload other = w;
                    other.spec.algorithm = algorithm;
                    add({fmt::format("{}/{}/{}/threads:1", name, target->name, algorithm_name(algorithm)), other, target});
                }
            }
            if (dtype == DType::f32 && w.params.values().empty() && workload_cost(w).flops <= naive_flops)
                add({.name = name + "/naive/threads:1", .workload = w, .target = targets.front(), .naive = true});
        }
}

int failed_rows() {
    return static_cast<int>(failed.size());
}

double seconds_now(int threads) {
    timespec time;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

double peak_gflops(const CpuTarget &target, int threads) {
    double best = 0;
    for (int i = 0; i < 3; i++) {
        const double wall = seconds_now(0), own = seconds_now(threads);
        const double rate = cli::measure_peak_gflops(target, threads, peak_seconds);  // by the wall
        best = std::max(best, rate * (seconds_now(0) - wall) / (seconds_now(threads) - own));
    }
    return best;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

}  // namespace attune::bench

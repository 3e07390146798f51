// attune_bench: kernels on the shapes of real models, beside the peak of the same machine at the same moment. README.md has the commands.
#include "generator/backend/kernel.h"
#include "measure.h"
#include "projections.h"
#include "ratios.h"
#include "table.h"

#include "attune/attention.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune::bench {
namespace {

constexpr const char *usage =
    R"(attune_bench [--targets=LIST|all] [--ratios[=TEXT]] [--projections[=TEXT]] [--projections-dtype=T] [Google Benchmark's flags]

  --targets=LIST   of avx512_bf16,avx512,avx2,sse41; all: those that this machine runs [the best of each type]
  --ratios[=TEXT]  instead of the rows: the figures that this version must show, each from two sides that alternate; only those with TEXT
  --projections[=TEXT]  instead of the rows: dense layers beside OpenBLAS and oneDNN; with --benchmark_format=json as JSON
  --projections-dtype=T  their type: f32, f16 or bf16 [f32]; OpenBLAS takes part for f32
  Defaults of Google Benchmark here: --benchmark_min_time=0.2 --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true
  --benchmark_filter='ort-mha.*/f32/.*threads:1', --benchmark_format=json, --benchmark_out=FILE and the others work as ever.

)";

std::vector<const CpuTarget *> best_targets() {
    std::set<const CpuTarget *> best;
    for (ComputeDType compute : {ComputeDType::f32, ComputeDType::f16, ComputeDType::i8})
        for (DType dtype : {DType::f32, DType::f16, DType::bf16})
            best.insert(available_targets({dtype, compute}).front());
    return {best.begin(), best.end()};
}

struct Options {
    bool ratios = false, projections = false, table = true, help = false;
    std::string filter;  ///< of ratios or projections
    DType projections_dtype = DType::f32;
    std::vector<const CpuTarget *> targets = best_targets();
    std::vector<char *> rest;  ///< for Google Benchmark
};

std::vector<const CpuTarget *> targets_of(std::string_view list) {
    if (list == "all")
        return machine_targets();
    std::vector<const CpuTarget *> targets;
    while (!list.empty()) {
        const std::string name(list.substr(0, list.find(',')));
        targets.push_back(&machine_target(name));
        list.remove_prefix(std::min(list.size(), name.size() + 1));
    }
    return targets.empty() ? best_targets() : targets;
}

DType dtype_of(std::string_view name) {
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
        if (name == dtype_name(dtype))
            return dtype;
    throw std::runtime_error("--projections-dtype is " + std::string(name) + " but must be f32, f16 or bf16");
}

Options parse(int argc, char **argv) {
    static char defaults[][64] = {"--benchmark_min_time=0.2", "--benchmark_repetitions=5", "--benchmark_enable_random_interleaving=true"};
    Options options;
    options.rest.push_back(argv[0]);
    for (auto &flag : defaults)
        options.rest.push_back(flag);  // before the caller's, which override them
    for (int i = 1; i < argc; i++) {
        const std::string_view word = argv[i];
        if (word == "--ratios" || word.starts_with("--ratios=")) {
            options.ratios = true;
            options.filter = word.substr(std::min<size_t>(word.size(), 9));
        } else if (word == "--projections" || word.starts_with("--projections=")) {
            options.projections = true;
            options.filter = word.substr(std::min<size_t>(word.size(), 14));
        } else if (word.starts_with("--projections-dtype=")) {
            options.projections_dtype = dtype_of(word.substr(20));
        } else if (word.starts_with("--targets="))
            options.targets = targets_of(word.substr(10));
        else
            options.rest.push_back(argv[i]);
        if (word.starts_with("--benchmark_format="))
            options.table = word.ends_with("=console");
        if (word == "--help")
            options.help = true;
    }
    return options;
}

/// The text after the first ':' of the first line of `path` that starts with `key`; the first line where there is no key.
std::string line_of(const char *path, std::string_view key, const char *otherwise) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key))
            return key.empty() ? line : line.substr(std::min(line.size(), line.find(':') + 2));
    return otherwise;
}

std::vector<std::pair<std::string, std::string>> context() {
    return {{"cpu", line_of("/proc/cpuinfo", "model name", "unknown")},
            {"clock_policy", line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", "left to the host")},
            {"load", line_of("/proc/loadavg", "", "unknown")},
            {"attune", ATTUNE_VERSION},
            {"commit", ATTUNE_COMMIT},
            {"halide", halide_version()},
            {"llvm", llvm_version()}};
}

int run(int argc, char **argv) {
    Options options = parse(argc, argv);
    if (options.help)
        std::fputs(usage, stdout);
    int count = static_cast<int>(options.rest.size());
    benchmark::Initialize(&count, options.rest.data());
    if (benchmark::ReportUnrecognizedArguments(count, options.rest.data()))
        return 2;
    if (options.ratios || options.projections) {
        for (const auto &[key, value] : context())
            std::fprintf(stderr, "%s: %s\n", key.c_str(), value.c_str());
        const int wrong = options.ratios ? print_ratios(options.targets, options.filter)
                                         : print_projections(options.targets, options.projections_dtype, options.filter, !options.table);
        return wrong == 0 ? 0 : 1;
    }
    for (const auto &[key, value] : context())
        benchmark::AddCustomContext(key, value);
    register_rows(options.targets);
    TableReporter table;
    const size_t rows = benchmark::RunSpecifiedBenchmarks(options.table ? &table : nullptr);
    benchmark::Shutdown();
    return rows == 0 || failed_rows() > 0;
}

}  // namespace
}  // namespace attune::bench

int main(int argc, char **argv) {
    try {
        return attune::bench::run(argc, argv);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "attune_bench: %s\n", error.what());
        return 2;
    }
}

#include "attune/attention.h"
#include "generator/backend/cache.h"
#include "generator/backend/kernel.h"
#include "generator/cli/command.h"
#include "generator/cli/machine.h"
#include "generator/cli/peak.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cpuid.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <unistd.h>

namespace attune::cli {
namespace {

constexpr double measure_seconds = 0.2;

void declare(Flags &flags) {
    flags.toggle("--measure", "measure the peak of each target and the bandwidth of memory (about 2 s)");
}

/// What kernels of this version or a later one ask for, in the words of /proc/cpuinfo.
std::vector<std::string> cpu_features() {
    enum { ebx = 1, ecx = 2, edx = 3 };
    const struct {
        const char *name;
        unsigned leaf, subleaf;
        int word, bit;
    } features[] = {
        {"sse4_1", 1, 0, ecx, 19},      {"avx", 1, 0, ecx, 28},      {"f16c", 1, 0, ecx, 29},        {"fma", 1, 0, ecx, 12},
        {"avx2", 7, 0, ebx, 5},         {"avx512f", 7, 0, ebx, 16},  {"avx512dq", 7, 0, ebx, 17},    {"avx512cd", 7, 0, ebx, 28},
        {"avx512bw", 7, 0, ebx, 30},    {"avx512vl", 7, 0, ebx, 31}, {"avx512_vnni", 7, 0, ecx, 11}, {"avx512_bf16", 7, 1, 0, 5},
        {"avx512_fp16", 7, 0, edx, 23}, {"amx_tile", 7, 0, edx, 24}, {"amx_bf16", 7, 0, edx, 22},    {"amx_int8", 7, 0, edx, 25}};
    std::vector<std::string> found;
    for (const auto &f : features) {
        unsigned words[4] = {};
        if (__get_cpuid_count(f.leaf, f.subleaf, &words[0], &words[1], &words[2], &words[3]) && words[f.word] >> f.bit & 1)
            found.push_back(f.name);
    }
    return found;
}

/// Register files that the operating system saves on a task switch (XCR0). A CPU feature without it must not be used.
std::vector<std::string> saved_registers() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1))
        return {"xmm"};  // no OSXSAVE
    unsigned low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    std::vector<std::string> saved;
    if (low >> 1 & 1)
        saved.push_back("xmm");
    if ((low & 0x6) == 0x6)
        saved.push_back("ymm");
    if ((low & 0xE6) == 0xE6)
        saved.push_back("zmm");
    if ((low & 0x60000) == 0x60000)
        saved.push_back("amx");
    return saved;
}

std::vector<std::string> caches() {
    std::vector<std::string> found;
    for (const DataCache &cache : data_caches())
        found.push_back(fmt::format("L{}{} {}K", cache.level, cache.shared_with_code ? "" : "d", cache.bytes >> 10));
    return found;
}

/// First line that `command --version` prints, or "not found". The words are constants of this file.
std::string tool_version(const std::string &command) {
    const std::unique_ptr<FILE, int (*)(FILE *)> pipe(popen((command + " --version 2>/dev/null").c_str(), "r"), pclose);
    char line[256] = {};
    if (!pipe || !std::fgets(line, sizeof line, pipe.get()))
        return "not found";
    std::string text = line;
    text.erase(text.find_last_not_of(" \r\n") + 1);
    return text;
}

struct Peak {
    std::string target;
    int threads;
    double gflops;
};

int run(const Flags &flags, Session &session) {
    const auto cpus = usable_cpus();
    std::vector<std::string> cores;
    for (int cpu : cpus) {
        const auto core = first_line(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
        if (std::find(cores.begin(), cores.end(), core) == cores.end())
            cores.push_back(core);
    }
    std::vector<std::string> available, unavailable;
    for (const CpuTarget &target : cpu_targets()) {
        (machine_runs(target) ? available : unavailable).push_back(target.name);
    }
    std::vector<std::pair<std::string, std::string>> tools, environment;
    for (const char *tool : {"g++", "clang", "cmake", "ninja"})
        tools.emplace_back(tool, tool_version(tool));
    for (const char *name :
         {"ATTUNE_CACHE_DIR", "ATTUNE_FORCE_TARGET", "ATTUNE_NUM_THREADS", "ATTUNE_VERBOSE", "NO_COLOR", "XDG_CACHE_HOME"})
        if (const char *value = std::getenv(name))
            environment.emplace_back(name, value);

    std::vector<Peak> peaks;
    std::vector<std::pair<int, double>> bandwidths;
    std::vector<std::pair<std::string, CacheLevel>> levels;
    if (flags.has("--measure")) {
        std::vector<int> counts = {1};
        if (cpus.size() > 1)
            counts.push_back(static_cast<int>(cpus.size()));
        for (int threads : counts) {
            for (const CpuTarget *target : machine_targets())
                peaks.push_back({target->name, threads, best_peak_gflops(*target, threads, measure_seconds)});
            bandwidths.emplace_back(threads, measure_read_gbs(threads, measure_seconds));
        }
        // Also what tune's cost model remembers.
        for (const CpuTarget *target : machine_targets())
            levels = named_levels(measure_limits(*target).levels);
    }

    if (session.json) {
        Json result = {{"version", ATTUNE_VERSION},
                       {"build", build_id()},
                       {"cpu", cpu_model()},
                       {"features", cpu_features()},
                       {"os_saves", saved_registers()},
                       {"targets", {{"available", available}, {"unavailable", unavailable}}},
                       {"cores", cores.size()},
                       {"cpus", cpus.size()},
                       {"threads", attune_num_threads()},
                       {"caches", caches()},
                       {"halide", halide_version()},
                       {"llvm", llvm_version()}};
        result["tools"] = Json::object();
        for (const auto &[name, version] : tools)
            result["tools"][name] = version == "not found" ? Json() : Json(version);
        result["cache_folder"] = cache_directory();
        result["environment"] = Json::object();
        for (const auto &[name, value] : environment)
            result["environment"][name] = value;
        if (flags.has("--measure")) {
            result["peaks"] = Json::array();
            for (const auto &p : peaks)
                result["peaks"].push_back({{"target", p.target}, {"threads", p.threads}, {"gflops", p.gflops}});
            result["read"] = Json::array();
            for (const auto &[threads, gbs] : bandwidths)
                result["read"].push_back({{"threads", threads}, {"gbs", gbs}});
            result["read_levels"] = Json::array();
            for (const auto &[name, level] : levels)
                result["read_levels"].push_back({{"level", name}, {"gbs", level.gbs}});
        }
        session.print_json(result);
        return 0;
    }
    std::vector<std::vector<std::string>> rows = {
        {"attune", fmt::format("{} (build {})", ATTUNE_VERSION, build_id())},
        {"cpu", cpu_model()},
        {"features", fmt::format("{}", fmt::join(cpu_features(), " "))},
        {"system saves", fmt::format("{}", fmt::join(saved_registers(), " "))},
        {"targets", fmt::format("{}{}", fmt::join(available, " "),
                                unavailable.empty() ? "" : fmt::format(" (not here: {})", fmt::join(unavailable, " ")))},
        {"cores", fmt::format("{} ({} hardware threads usable; a call uses {})", cores.size(), cpus.size(), attune_num_threads())},
        {"caches", fmt::format("{}", fmt::join(caches(), ", "))},
        {"halide", halide_version()},
        {"llvm", llvm_version()}};
    for (const auto &[name, version] : tools)
        rows.push_back({name, version});
    rows.push_back({"cache", cache_directory()});
    for (const auto &[name, value] : environment)
        rows.push_back({name, value});
    for (const auto &p : peaks)
        rows.push_back({fmt::format("peak {}", p.target),
                        fmt::format("{:.1f} GFLOP/s on {} thread{}", p.gflops, p.threads, p.threads == 1 ? "" : "s")});
    for (const auto &[threads, gbs] : bandwidths)
        rows.push_back({"read", fmt::format("{:.1f} GB/s on {} thread{}", gbs, threads, threads == 1 ? "" : "s")});
    for (const auto &[name, level] : levels)
        rows.push_back({"read " + name, fmt::format("{:.1f} GB/s on 1 thread", level.gbs)});
    session.print(align_table(rows, {}));
    return 0;
}

}  // namespace

const Command doctor_command = {"doctor", "what this machine has: CPU, targets, compilers, versions, settings", "  attune doctor --measure",
                                declare, run};

}  // namespace attune::cli

/// What is asked of the machine itself: nothing here needs the generator, and a runner's machine runs it too (tune/trial_main.cpp).
#include "generator/cli/machine.h"

#include "generator/cli/peak.h"
#include "schedules/tuned_db/device_class.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace attune::cli {

namespace {

constexpr double measure_seconds = 0.1;  // of each number

}  // namespace

std::string first_line(const std::string &path) {
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
}

#if defined(__x86_64__)
std::string cpu_model() {
    unsigned words[12] = {};
    if (__get_cpuid_max(0x80000000, nullptr) < 0x80000004)
        return "unknown";
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    char text[sizeof words + 1] = {};
    std::memcpy(text, words, sizeof words);
    std::string model = text;
    model.erase(0, model.find_first_not_of(' '));
    model.erase(model.find_last_not_of(' ') + 1);
    return model.empty() ? "unknown" : model;
}
#else
/// No register tells a name: that of the board, else of the core.
std::string cpu_model() {
    std::string board;
    std::getline(std::ifstream("/proc/device-tree/model"), board, '\0');
    return board.empty() ? device_class() : board;
}
#endif

std::vector<DataCache> data_caches() {
    std::vector<DataCache> found;
    for (int i = 0; i < 8; i++) {
        const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", i);
        const std::string level = first_line(folder + "level"), type = first_line(folder + "type"), size = first_line(folder + "size");
        if (level.empty() || type == "Instruction")
            continue;
        found.push_back({std::atoi(level.c_str()), type != "Data", static_cast<size_t>(std::atoll(size.c_str())) << 10});
    }
    return found;
}

MachineLimits limits_now(const CpuTarget &target) {
    MachineLimits limits;
    limits.peak_gflops = best_peak_gflops(target, 1, measure_seconds);
    limits.vector_gflops = best_vector_gflops(target, 1, measure_seconds);
    for (const DataCache &cache : data_caches()) {
        // Half of it: the whole is never a loop's alone. Of a last level that many cores share, what one of them may expect.
        constexpr size_t most = 16 << 20;
        limits.levels.push_back({double(cache.bytes), measure_cached_read_gbs(std::min(cache.bytes / 2, most), measure_seconds)});
    }
    limits.levels.push_back({std::numeric_limits<double>::infinity(), measure_read_gbs(1, measure_seconds)});
    return limits;
}

Json limits_json(const MachineLimits &limits) {
    Json levels = Json::array();
    for (const CacheLevel &level : limits.levels)
        levels.push_back({{"bytes", std::isinf(level.bytes) ? Json() : Json(level.bytes)}, {"gbs", level.gbs}});
    return {{"peak_gflops", limits.peak_gflops}, {"vector_gflops", limits.vector_gflops}, {"levels", levels}};
}

MachineLimits limits_of(const Json &json) {
    MachineLimits limits;
    limits.peak_gflops = json.at("peak_gflops").get<double>();
    limits.vector_gflops = json.at("vector_gflops").get<double>();
    for (const Json &level : json.at("levels"))
        limits.levels.push_back({level.at("bytes").is_null() ? std::numeric_limits<double>::infinity() : level.at("bytes").get<double>(),
                                 level.at("gbs").get<double>()});
    return limits;
}

std::vector<std::pair<std::string, CacheLevel>> named_levels(const std::vector<CacheLevel> &levels) {
    std::vector<std::pair<std::string, CacheLevel>> named;
    for (size_t i = 0; i < levels.size(); i++)
        named.emplace_back(i + 1 == levels.size() ? "memory" : fmt::format("L{}", i + 1), levels[i]);
    return named;
}

}  // namespace attune::cli

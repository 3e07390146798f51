#include "generator/cli/machine.h"

#include "generator/backend/cache.h"
#include "generator/backend/files.h"

#include <fmt/format.h>

#include <filesystem>

namespace attune::cli {

namespace {

std::string limits_file(const CpuTarget &target) {
    return fmt::format("{}/limits_{}.json", cache_directory(), target.name);
}

/// The file holds the CPU that it is of: a cache folder may be shared between machines.
bool read_limits(const CpuTarget &target, MachineLimits &limits) {
    std::vector<char> bytes;
    if (!read_file(limits_file(target), bytes))
        return false;
    const Json json = Json::parse(bytes.begin(), bytes.end(), nullptr, false);
    try {
        if (json.at("cpu").get<std::string>() != cpu_model())
            return false;
        limits = limits_of(json);
        return limits.peak_gflops > 0 && limits.vector_gflops > 0 && !limits.levels.empty();
    } catch (const Json::exception &) {
        return false;
    }
}

void write_limits(const CpuTarget &target, const MachineLimits &limits) {
    Json json = {{"cpu", cpu_model()}};
    json.update(limits_json(limits));
    const std::string text = json.dump(2) + "\n";
    std::error_code failure;
    std::filesystem::create_directories(cache_directory(), failure);
    try {
        write_file(limits_file(target), {text.begin(), text.end()});
    } catch (const Error &) {  // measured again the next time
    }
}

}  // namespace

MachineLimits measure_limits(const CpuTarget &target) {
    const MachineLimits limits = limits_now(target);
    write_limits(target, limits);
    return limits;
}

MachineLimits machine_limits(const CpuTarget &target) {
    MachineLimits limits;
    return read_limits(target, limits) ? limits : measure_limits(target);
}

}  // namespace attune::cli

#pragma once
#include "generator/backend/target.h"
#include "generator/cli/session.h"
#include "schedules/machine_limits.h"

#include <string>
#include <vector>

namespace attune::cli {

/// The first line of a file; empty where there is none.
std::string first_line(const std::string &path);

/// The brand string of cpuid, or on aarch64 the board's or core's name; "unknown" where the CPU tells none.
std::string cpu_model();

struct DataCache {
    int level = 1;
    bool shared_with_code = false;
    size_t bytes = 0;
};
/// As the operating system tells them, the first level first; empty where it tells none.
std::vector<DataCache> data_caches();

/// What one thread can do here, of a target's arithmetic and of each level of memory: measured in about a second. The machine must run the target.
MachineLimits limits_now(const CpuTarget &target);
/// The same, then kept in the cache folder, by CPU model and target.
MachineLimits measure_limits(const CpuTarget &target);
/// What was kept, else measured now.
MachineLimits machine_limits(const CpuTarget &target);
/// {"peak_gflops", "vector_gflops", "levels": [{"bytes", "gbs"}]}, bytes null of memory; and back. Throws Json::exception where it is none.
Json limits_json(const MachineLimits &limits);
MachineLimits limits_of(const Json &json);
/// "L1", "L2", …, "memory".
std::vector<std::pair<std::string, CacheLevel>> named_levels(const std::vector<CacheLevel> &levels);

}  // namespace attune::cli

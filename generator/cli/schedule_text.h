#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/session.h"

#include <string>

namespace attune::cli {

/// "cpu_query_lanes(tile_q=3, block_q=192)"
std::string schedule_text(const std::string &family, const ScheduleParameters &parameters);
std::string schedule_text(const KernelPlan &plan);
/// {"tile_q": 3, "block_q": 192}
Json parameters_json(const ScheduleParameters &named);
Json parameters_json(const KernelPlan &plan);
/// A parameter of the schedule, or `otherwise` where the family has none of that name.
int64_t parameter(const KernelPlan &plan, const std::string &name, int64_t otherwise);

}  // namespace attune::cli

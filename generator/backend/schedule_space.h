#pragma once
#include "generator/backend/kernel.h"
#include "schedules/autotune/shape_table.h"
#include "schedules/autotune/space.h"
#include "schedules/machine_limits.h"

#include <map>

namespace attune {

/// What the schedule family of a kernel leaves to choose on a target: the values that the family declares (schedules/parameter.h), the default
/// as fallback, and plan_kernel's word on what is legal. values: instead of the declared ones, by name. Throws Error(usage) for a name that the
/// family does not have.
autotune::Space schedule_space(const AttentionSpec &spec, const CpuTarget &target,
                               const std::map<std::string, std::vector<int>> &values = {});

/// A point as overrides of a plan.
ScheduleParameters overrides_of(const std::vector<autotune::Parameter> &parameters, const autotune::Point &point);

/// Whether two points of the kernel's space give every row the same bits (difference_in_bits). The target must outlive it.
autotune::MayStandTogether bits_are_kept(const AttentionSpec &spec, const CpuTarget &target);

/// The cost model's word on a call under a plan (schedules/cost_model.h), for ranking plans of one kernel.
double predicted_ms(const KernelPlan &plan, const MachineLimits &machine, const CallWork &work);

}  // namespace attune

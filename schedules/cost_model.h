#pragma once
#include "schedules/cpu_key_lanes.h"
#include "schedules/cpu_linear.h"
#include "schedules/cpu_query_lanes.h"
#include "schedules/cpu_split_kv.h"
#include "schedules/machine_limits.h"

namespace attune {

/// Milliseconds of a call, from the counts of instructions and bytes of the family's loops: the multiplications, loads, exponentials and
/// conversions of a register tile at two multiplications and two loads a clock, each loop no faster than its operands arrive from the cache
/// that holds them (the footprint's formula in cpu_footprint). Meant to rank schedules of one kernel, not to foretell a time: see
/// schedules/README.md for how far it is off.
double predicted_ms(const AttentionSpec &spec, const CpuScheduleParameters &parameters, int vector, int registers,
                    const MachineLimits &machine, const CallWork &work);
double predicted_ms(const AttentionSpec &spec, const CpuKeyLanesParameters &parameters, int vector, int registers,
                    const MachineLimits &machine, const CallWork &work);
double predicted_ms(const AttentionSpec &spec, const CpuSplitParameters &parameters, int vector, int registers,
                    const MachineLimits &machine, const CallWork &work);
double predicted_ms(const AttentionSpec &spec, const LinearShape &shape, int registers, const MachineLimits &machine, const CallWork &work);

}  // namespace attune

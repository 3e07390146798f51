#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/params.h"
#include "generator/cli/shape.h"
#include "schedules/autotune/space.h"
#include "schedules/machine_limits.h"

#include <cstdint>
#include <vector>

namespace attune::cli {

/// What is tuned: one kernel on one target, for one or several shapes.
struct TuneJob {
    AttentionSpec spec;
    const CpuTarget *target = nullptr;
    std::vector<Shape> shapes;
    std::vector<CallParams> params;  ///< of each shape
    int threads = 1;
    uint64_t seed = 1;        ///< of the inputs
    std::string cpu, device;  ///< of the machine that measures: brand string; class of tuned rows

    std::vector<std::string> shape_names() const;
};

/// What the cost model asks of a call of the job's shape `index` under a plan. Walks the mask over all pairs of one head.
CallWork call_work(const KernelPlan &plan, const TuneJob &job, size_t index);

/// The space of the job's kernel with the cost model in it: the geometric mean over shapes.
autotune::Space tuning_space(const TuneJob &job, const std::map<std::string, std::vector<int>> &values, const MachineLimits &machine);

}  // namespace attune::cli

#pragma once
#include "generator/cli/run_kernel.h"

#include <functional>
#include <string>
#include <vector>

namespace attune::bench {

/// GFLOP/s or GB/s of one side, each time it is asked.
using Rate = std::function<double()>;

/// Figures that are ratios of two sides, measured in turns.
class RatioTable {
public:
    /// filter: only what contains it is measured.
    explicit RatioTable(std::string filter);

    /// Rounds of one slot each, the first to go alternating. ratio: median of the rounds' ratios; best: fastest slots of either side.
    void add(const std::string &what, const Rate &a, const Rate &b, double wanted);
    void print() const;

private:
    std::string filter_;
    std::vector<std::vector<std::string>> cells_;
};

/// Seconds of the fastest call in a slot. clock: as seconds_now, 1 by CPU time, else by the wall.
double fastest_seconds(cli::KernelCall &call, int clock);

}  // namespace attune::bench

#include "table.h"

#include "generator/cli/session.h"
#include "measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>

namespace attune::bench {

bool TableReporter::ReportContext(const Context &context) {
    PrintBasicContext(&GetErrorStream(), context);
    return true;
}

void TableReporter::ReportRuns(const std::vector<Run> &runs) {
    std::map<std::string, std::vector<double>> counters;
    const Run *row = nullptr;
    for (const Run &run : runs) {
        if (run.run_type != Run::RT_Iteration)
            continue;
        row = &run;
        if (run.error_occurred) {
            lines_.push_back({run.family_index, {run.benchmark_name(), "ERROR: " + run.error_message}});
            return;
        }
        for (const auto &[name, counter] : run.counters)
            counters[name].push_back(counter.value);
    }
    if (!row)
        return;
    const auto middle = [&](const char *name) { return median(counters[name]); };
    const auto highest = [&](const char *name) { return *std::ranges::max_element(counters[name]); };
    const std::vector<double> &times = counters["ms"];
    const auto [fastest, slowest] = std::ranges::minmax(times);
    lines_.push_back({row->family_index,
                      {row->benchmark_name(), fmt::format("{:.3f}", median(times)),
                       fmt::format("{:.0f} %", 100 * (slowest - fastest) / median(times)), fmt::format("{:.1f}", middle("GFLOP/s")),
                       fmt::format("{:.0f}", middle("peak_GFLOP/s")), fmt::format("{:.0f} %", 100 * middle("share_of_peak")),
                       fmt::format("{:.0f} %", 100 * highest("best_GFLOP/s") / highest("peak_GFLOP/s")),
                       fmt::format("{:.2f}", middle("GB/s")), row->report_label}});
}

void TableReporter::Finalize() {
    std::ranges::stable_sort(lines_, {}, &Line::order);
    std::vector<std::vector<std::string>> cells = {
        {"row", "median ms", "spread", "GFLOP/s", "peak", "share", "best", "GB/s", "kernel and schedule"}};
    for (Line &line : lines_) {
        line.cells.resize(cells[0].size());
        cells.push_back(line.cells);
    }
    GetOutputStream() << cli::align_table(cells, {false, true, true, true, true, true, true, true, false}) << std::flush;
}

}  // namespace attune::bench

#pragma once
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace attune::bench {

/// Prints a line a row, in the order of registration, when all repetitions are done: what style.md asks of a bench, and no more.
///   median ms over the repetitions, by seconds_now's clock; spread: (slowest - fastest repetition) / median; share: GFLOP/s of peak, both measured in the same
///   repetition; best: fastest single call over the highest peak, the figure that neighbours on the machine disturb least
class TableReporter : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context &context) override;
    void ReportRuns(const std::vector<Run> &runs) override;
    void Finalize() override;

private:
    struct Line {
        int64_t order;
        std::vector<std::string> cells;
    };
    std::vector<Line> lines_;
};

}  // namespace attune::bench

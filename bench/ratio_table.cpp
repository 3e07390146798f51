#include "ratio_table.h"

#include "generator/cli/session.h"
#include "measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace attune::bench {

namespace {

constexpr int rounds = 11;
constexpr double slot_seconds = 0.03;  // of one side in a round

}  // namespace

RatioTable::RatioTable(std::string filter)
    : filter_(std::move(filter)), cells_{{"what", "ratio", "quartiles", "best", "wanted", "ok", "rates"}} {}

void RatioTable::add(const std::string &what, const Rate &a, const Rate &b, double wanted) {
    if (what.find(filter_) == std::string::npos)
        return;
    std::fprintf(stderr, "  %s\n", what.c_str());
    std::vector<double> ratios, as, bs;
    for (int round = 0; round < rounds; round++) {
        double rate_a = 0, rate_b = 0;
        if (round % 2)
            rate_b = b();
        rate_a = a();
        if (round % 2 == 0)
            rate_b = b();
        as.push_back(rate_a);
        bs.push_back(rate_b);
        ratios.push_back(rate_a / rate_b);
    }
    std::ranges::sort(ratios);
    const double ratio = median(ratios);
    cells_.push_back({what, fmt::format("{:.3f}", ratio),
                      fmt::format("{:.3f} - {:.3f}", ratios[rounds / 4], ratios[rounds - 1 - rounds / 4]),
                      fmt::format("{:.3f}", std::ranges::max(as) / std::ranges::max(bs)), fmt::format("{:.2f}", wanted),
                      ratio >= wanted ? "ok" : "MISSED", fmt::format("{:.1f} / {:.1f}", median(as), median(bs))});
}

void RatioTable::print() const {
    std::fputs(cli::align_table(cells_, {false, true, true, true, true, false, true}).c_str(), stdout);
}

double fastest_seconds(cli::KernelCall &call, int clock) {
    double best = 1e30, spent = 0;
    do {
        const double begin = seconds_now(clock);
        call.run();
        const double seconds = seconds_now(clock) - begin;
        best = std::min(best, seconds);
        spent += seconds;
    } while (spent < slot_seconds);
    return best;
}

}  // namespace attune::bench

#include "schedules/autotune/trial.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace attune::autotune {
namespace {

constexpr const char *names[] = {"ok", "compile_failed", "crashed", "timed_out", "wrong"};
constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// `values` ascending and not empty; between two of them by interpolation.
double quantile(const std::vector<double> &values, double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const size_t below = static_cast<size_t>(place), above = std::min(below + 1, values.size() - 1);
    return std::lerp(values[below], values[above], place - static_cast<double>(below));
}

}  // namespace

const char *outcome_name(Outcome outcome) {
    return names[static_cast<size_t>(outcome)];
}

std::optional<Outcome> outcome_of(const std::string &name) {
    const auto found = std::find(std::begin(names), std::end(names), name);
    if (found == std::end(names))
        return std::nullopt;
    return static_cast<Outcome>(found - std::begin(names));
}

double median_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? none : quantile(values, 0.5);
}

double spread_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? none : (quantile(values, 0.75) - quantile(values, 0.25)) / quantile(values, 0.5);
}

double Evaluation::median_ms(size_t shape) const {
    return shape < times_ms.size() ? median_of(times_ms[shape]) : none;
}
double Evaluation::spread(size_t shape) const {
    return shape < times_ms.size() ? spread_of(times_ms[shape]) : none;
}

double relative_score(const std::vector<double> &medians, const std::vector<double> &reference) {
    double sum = 0;
    for (size_t i = 0; i < medians.size() && i < reference.size(); i++)
        sum += std::log(medians[i] / reference[i]);
    const double score = std::exp(sum / static_cast<double>(medians.size()));
    return medians.size() == reference.size() && std::isfinite(score) ? score : std::numeric_limits<double>::infinity();
}

std::vector<double> medians_of(const Evaluation &evaluation) {
    std::vector<double> out;
    for (const std::vector<double> &times : evaluation.times_ms)
        out.push_back(median_of(times));
    return out;
}

}  // namespace attune::autotune

#include "generator/cli/tune/measure.h"

#include "generator/cli/awkward_shapes.h"
#include "generator/cli/check_shape.h"
#include "generator/cli/run_kernel.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace attune::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double least_sample_ms = 0.1;  // a shorter call is timed several together
constexpr double warm_ms = 10;           // of calls before the first that counts
constexpr double hopeless = 2.5;         // times the best: two calls tell enough
constexpr int least_samples = 5, most_samples = 400;
constexpr int64_t most_checked_pairs = 200000;  // (row, key) of a shape that each trial is compared on: 30 ms at head_dim 128
constexpr size_t checked_shapes = 3;

double timed_ms(KernelCall &call, int64_t calls) {
    const auto begin = Clock::now();
    for (int64_t i = 0; i < calls; i++)
        call.run();
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count() / double(calls);
}

int64_t calls_of_sample(double ms) {
    return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(least_sample_ms / std::max(ms, 1e-6))));
}

/// About `seconds` of calls after a warm-up, at least 5 samples; two where a call is far slower than `best_ms` (0: unknown).
std::vector<double> sample_ms(KernelCall &call, double seconds, double best_ms) {
    timed_ms(call, 1);  // pages, caches, threads
    double ms = timed_ms(call, 1);
    if (best_ms > 0 && ms > hopeless * best_ms)
        return {ms, timed_ms(call, 1)};
    for (double spent = ms; spent < warm_ms; spent += ms)
        ms = std::min(ms, timed_ms(call, 1));
    const int64_t calls = calls_of_sample(ms);
    const auto samples = static_cast<int64_t>(seconds * 1e3 / std::max(ms * double(calls), 1e-6));
    std::vector<double> times;
    for (int64_t i = std::clamp<int64_t>(samples, least_samples, most_samples); i > 0; i--)
        times.push_back(timed_ms(call, calls));
    return times;
}

/// The awkward shapes with the most pairs that the reference still computes quickly.
std::vector<Shape> shapes_to_check(const KernelPlan &plan) {
    std::vector<Shape> shapes;
    for (const AwkwardShape &row : awkward_shapes(plan))
        shapes.push_back(row.shape);
    const auto pairs = [](const Shape &s) { return s.batch * s.num_heads * s.seq_len_q * s.seq_len_kv; };
    std::erase_if(shapes, [&](const Shape &s) { return pairs(s) > most_checked_pairs; });
    std::stable_sort(shapes.begin(), shapes.end(), [&](const Shape &a, const Shape &b) { return pairs(a) > pairs(b); });
    shapes.resize(std::min(shapes.size(), checked_shapes));
    return shapes;
}

}  // namespace

Measurer::Result Measurer::measure(const LoadedKernel &kernel, double seconds, const std::vector<double> &best_ms) {
    Result result;
    for (const Shape &shape : shapes_to_check(kernel.plan()))
        result.error_share =
            std::max(result.error_share, check_shape(kernel, shape, InputKind::normal, job_.seed, checked_params(shape)).worst());
    for (size_t i = 0; i < job_.shapes.size(); i++) {
        KernelCall call(kernel, problem(i).call(), job_.threads, {.lse = job_.spec.lse});
        result.times_ms.push_back(sample_ms(call, seconds, i < best_ms.size() ? best_ms[i] : 0));
    }
    return result;
}

std::unique_ptr<KernelCall> Measurer::prepared_call(const LoadedKernel &kernel, size_t shape) {
    auto call = std::make_unique<KernelCall>(kernel, problem(shape).call(), job_.threads, CallOutputs{.lse = job_.spec.lse});
    timed_ms(*call, 1);
    return call;
}

const Problem &Measurer::problem(size_t shape) {
    auto &found = problems_[shape];
    if (!found)
        found = std::make_unique<Problem>(job_.spec, job_.shapes[shape], InputKind::normal, job_.seed, job_.params[shape]);
    return *found;
}

CallParams Measurer::checked_params(const Shape &shape) const {
    std::vector<Argument> arguments;
    for (size_t i = 0; i < job_.spec.params.size(); i++)
        arguments.push_back(default_argument(job_.spec, i, shape, job_.seed));
    return {job_.spec, std::move(arguments),
            job_.spec.block_mask ? random_block_lists(job_.spec, shape, 0.5, 0.25, job_.seed) : BlockLists{}};
}

double one_sample_ms(KernelCall &call) {
    const double warm = timed_ms(call, 1);
    return timed_ms(call, calls_of_sample(warm));
}

}  // namespace attune::cli

#include "generator/cli/scaling.h"

#include "generator/backend/schedule_space.h"
#include "generator/cli/params.h"
#include "generator/cli/problem.h"
#include "generator/cli/run_kernel.h"
#include "generator/cli/tune/job.h"
#include "generator/spec/error.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace attune::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double most_walk_seconds = 0.5;  // of a mask; the next length takes two to four times as long
constexpr int runs = 3;                    // of a measured point; the fastest counts

/// Masks whose growth is worth seeing beside the specification's.
constexpr std::pair<const char *, const char *> usual_masks[] = {
    {"dense", ""},
    {"causal", "causal"},
    {"window", "causal && window(1023)"},             // 1024 keys a row, whatever the length
    {"block-sparse", "causal && fixed(1024, 128)"}};  // the row's own block of 1024, and 128 keys of each block before

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

Expression parse_mask(const std::string &text) {
    static const std::vector<ParamDeclaration> none;
    ExpressionContext context;
    context.argument = "mask";
    context.params = &none;
    return text.empty() ? Expression() : parse_expression(text, context);
}

/// A softmax, or linear attention, of the same heads and nothing else.
AttentionSpec of_heads(const AttentionSpec &spec, Normalizer normalizer) {
    AttentionSpec other;
    other.dtype = spec.dtype;
    other.head_dim = spec.head_dim;
    other.head_dim_v = spec.head_dim_v;
    other.group = spec.group;
    other.scale = spec.scale;
    other.softmax_scale = spec.softmax_scale;
    other.normalizer = normalizer;
    other.lse = is_softmax(normalizer);
    other.targets = spec.targets;
    return other;
}

/// An argument for each pair, a bias say, soon takes more than the kernel's own tensors: those of all lengths are in memory at once.
bool has_large_arguments(const AttentionSpec &spec, const Shape &shape) {
    constexpr double most_elements = 1 << 24;
    return std::any_of(spec.params.begin(), spec.params.end(), [&](const ParamDeclaration &param) {
        double elements = 1;
        for (const int64_t extent : wanted_extents(param, shape, 1))
            elements *= double(extent);
        return elements > most_elements;
    });
}

/// Of twice the length, from what the last doubling did.
CallWork doubled(const CallWork &now, const CallWork &half, bool decode) {
    CallWork work = now;
    const auto grown = [](double a, double b) { return b > 0 ? a * a / b : a; };
    work.pairs = grown(now.pairs, half.pairs);
    work.masked_pairs = std::min(grown(now.masked_pairs, half.masked_pairs), work.pairs);
    work.seq_len_kv *= 2;
    if (!decode) {
        work.rows *= 2;
        work.tasks *= 2;
    }
    return work;
}

/// The fastest of a few calls.
double measured_ms(const LoadedKernel &kernel, const ScalingVariant &variant, const Shape &shape, const CallParams &params, int threads) {
    const Problem problem(variant.spec, shape, InputKind::normal, scaling_seed, params);
    KernelCall call(kernel, problem.call(), threads, {.lse = variant.spec.lse});
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i <= runs; i++) {  // the first touches pages and caches
        const auto begin = Clock::now();
        call.run();
        if (i > 0)
            best = std::min(best, seconds_since(begin) * 1e3);
    }
    return best;
}

}  // namespace

std::vector<ScalingVariant> scaling_variants(const AttentionSpec &spec) {
    std::vector<ScalingVariant> variants = {{is_linear(spec) ? "linear" : "specification", spec, {}}};
    for (const auto &[name, mask] : usual_masks) {
        AttentionSpec other = is_linear(spec) ? of_heads(spec, Normalizer::softmax) : spec;
        other.mask = parse_mask(mask);
        other.block_mask = false;
        other.name = other.id();
        if (other.canonical() == spec.canonical())
            variants[0].name = name;
        else
            variants.push_back({name, std::move(other), {}});
    }
    if (!spec.decode && !is_linear(spec)) {
        AttentionSpec linear = of_heads(spec, Normalizer::linear);
        linear.mask = parse_mask("causal");
        linear.name = linear.id();
        variants.push_back({"linear", std::move(linear), {}});
    }
    return variants;
}

std::vector<Shape> scaling_shapes(const AttentionSpec &spec, const Shape &shape) {
    std::vector<Shape> shapes;
    for (int64_t length = shortest_scaling; length <= longest_scaling; length *= 2) {
        Shape longer = shape;
        longer.seq_len_kv = length;
        if (!spec.decode)
            longer.seq_len_q = length;
        if (!shapes.empty() && has_large_arguments(spec, longer))
            break;
        try {
            check_index_range(spec, longer, ErrorCode::usage);
        } catch (const Error &) {
            if (shapes.empty())
                throw;
            break;
        }
        shapes.push_back(longer);
    }
    return shapes;
}

void predict_scaling(ScalingVariant &variant, const std::vector<Shape> &shapes, const std::vector<CallParams> &params,
                     const CpuTarget &target, const KernelPlan &plan, const MachineLimits &machine, int threads) {
    const TuneJob job = {
        .spec = variant.spec, .target = &target, .shapes = shapes, .params = params, .threads = threads, .cpu = {}, .device = {}};
    std::vector<CallWork> works;
    double walk_seconds = 0;
    for (size_t i = 0; i < shapes.size(); i++) {
        const Shape &shape = shapes[i];
        ScalingPoint point{.shape = shape};
        point.extrapolated = walk_seconds > most_walk_seconds && works.size() >= 2;
        if (point.extrapolated) {
            works.push_back(doubled(works[i - 1], works[i - 2], variant.spec.decode));
        } else {
            const auto begin = Clock::now();
            works.push_back(call_work(plan, job, i));
            walk_seconds = seconds_since(begin);
        }
        point.pairs = variant.spec.decode ? works[i].rows * works[i].seq_len_kv : works[i].pairs;
        point.predicted_ms = predicted_ms(plan, machine, works[i]);
        if (i > 0)
            point.exponent = std::log2(point.predicted_ms / variant.points[i - 1].predicted_ms);
        const double rows = double(shape.batch * shape.num_heads * shape.seq_len_q),
                     keys = double(shape.batch * shape.num_kv_heads * shape.seq_len_kv);
        point.tensor_bytes = rows * (variant.spec.head_dim + variant.spec.head_dim_v) * dtype_bytes(variant.spec.dtype) +
                             keys * works[i].cache_row_bytes + (variant.spec.lse ? 4 * rows : 0);
        point.score_bytes = 4 * rows * double(shape.seq_len_kv);
        variant.points.push_back(point);
    }
}

void measure_scaling(ScalingVariant &variant, const LoadedKernel &kernel, const std::vector<CallParams> &params, int threads,
                     double seconds) {
    const auto begin = Clock::now();
    double last = 0;  // seconds of the last point
    for (size_t i = 0; i < variant.points.size(); i++) {
        ScalingPoint &point = variant.points[i];
        const double growth = i > 0 ? std::max(2.0, point.predicted_ms / variant.points[i - 1].predicted_ms) : 1;
        if (seconds_since(begin) + last * growth > seconds)
            return;
        spdlog::info("measuring {} at {}", variant.name, shape_text(point.shape));
        const auto point_begin = Clock::now();
        point.measured_ms = measured_ms(kernel, variant, point.shape, params[i], threads);
        last = seconds_since(point_begin);
    }
}

}  // namespace attune::cli

#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/flags.h"
#include "generator/cli/params.h"
#include "generator/cli/picture/drawing.h"
#include "generator/cli/session.h"
#include "generator/cli/shape.h"
#include "schedules/machine_limits.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attune::cli {

/// One length of a variant.
struct ScalingPoint {
    Shape shape;
    double pairs = 0;           ///< that are computed, over all heads
    bool extrapolated = false;  ///< pairs and time are: to walk the mask would take too long
    double predicted_ms = 0;
    double exponent = 0;  ///< log2 of the growth of predicted_ms from half the length; 0 at the first
    std::optional<double> measured_ms = {};
    double tensor_bytes = 0;                     ///< query, key, value, output and lse
    std::optional<double> workspace_bytes = {};  ///< where the machine runs the target
    double score_bytes = 0;  ///< of a matrix of f32 logits of all pairs, which attention by the formula would write and read
};
/// The specification with a mask.
struct ScalingVariant {
    std::string name;  ///< "causal"
    AttentionSpec spec;
    std::vector<ScalingPoint> points;
};
struct Scaling {
    std::string target;
    int threads = 1;
    bool measured_limits = false;          ///< of the machine the model reckons with; else assumed
    std::vector<ScalingVariant> variants;  ///< the specification first
};

constexpr int64_t shortest_scaling = 256, longest_scaling = 131072;
constexpr uint64_t scaling_seed = 1;  ///< of inputs and of parameters that are not given

/// The specification, and with the usual masks in place of its own; without points.
std::vector<ScalingVariant> scaling_variants(const AttentionSpec &spec);
/// The lengths whose tensors can be indexed, and whose arguments fit. shape: batch and heads, and of a decode kernel the query rows. Throws Error(usage) where
/// there are none.
std::vector<Shape> scaling_shapes(const AttentionSpec &spec, const Shape &shape);
/// Makes the points: pairs, times by the cost model and bytes of tensors. params: of each shape.
void predict_scaling(ScalingVariant &variant, const std::vector<Shape> &shapes, const std::vector<CallParams> &params,
                     const CpuTarget &target, const KernelPlan &plan, const MachineLimits &machine, int threads);
/// Measures lengths from the shortest on, while the next one fits the time: it takes as many times as long as its prediction grows.
void measure_scaling(ScalingVariant &variant, const LoadedKernel &kernel, const std::vector<CallParams> &params, int threads,
                     double seconds);

void declare_scaling(Flags &flags);
/// `attune explain --scaling`: time and memory against the length, of the specification and of usual masks in place of its own. shape:
/// batch and heads, and of a decode kernel the query rows. Throws Error.
int explain_scaling(const Flags &flags, const AttentionSpec &spec, const CpuTarget &target, const Shape &shape, Session &session);

/// Two panels, time and memory, both axes logarithmic.
Drawing draw_scaling(const Scaling &scaling, const std::string &title);

}  // namespace attune::cli

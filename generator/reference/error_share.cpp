#include "generator/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace attune {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double u32 = 0x1p-24;      // unit roundoff of the f32 arithmetic in a kernel
constexpr double flushed = 0x1p-120;  // what flushing denormals may cost

/// Distance of neighbouring values of the output type at `x`.
double ulp(double x, const Precision &precision) {
    const int exponent = x == 0 ? precision.min_exponent : std::max(std::ilogb(x), precision.min_exponent);
    return std::ldexp(1.0, exponent - (precision.bits - 1));
}

/// |got - expected| / bound; a NaN or infinity must be met by the same.
double share(double got, double expected, double bound) {
    if (std::isnan(expected)) return std::isnan(got) ? 0 : infinity;
    if (got == expected) return 0;
    if (!std::isfinite(got) || !std::isfinite(expected)) return infinity;
    const double error = std::abs(got - expected);
    return std::isnan(bound) || bound <= 0 ? infinity : error / bound;
}

}  // namespace

Precision precision_of(const KernelTypes &types, bool rounds_weights) {
    Precision precision = types.storage == DType::f32   ? Precision{24, -126}
                          : types.storage == DType::f16 ? Precision{11, -14}
                                                        : Precision{8, -126};
    if (rounds_weights) precision.weight_roundoff = std::ldexp(1.0, -precision.bits);
    if (types.compute == ComputeDType::f16) {
        constexpr double u16 = 0x1p-11;
        precision.sum_roundoff = 3 * u16;
        precision.weight_roundoff = precision.sum_roundoff + 8 * u16;
    }
    return precision;
}

ErrorShare error_share(const ReferenceProblem &problem, const ReferenceResult &expected, const std::vector<double> &output,
                       const std::vector<float> &lse, const Precision &precision) {
    const size_t rows = expected.lse.size(), dim = static_cast<size_t>(problem.head_dim_v);
    if (output.size() != expected.output.size() || (!lse.empty() && lse.size() != rows))
        throw std::invalid_argument("error_share: output or lse has another size than the reference");

    ErrorShare worst;
    double squared_error = 0, squared = 0;
    const double u_out = std::ldexp(1.0, -precision.bits);
    for (size_t row = 0; row < rows; row++) {
        const bool sees_nothing = expected.keys_seen[row] == 0;
        for (size_t i = row * dim; i < (row + 1) * dim; i++) {
            const double sum_abs = expected.value_abs[i];
            double bound = (8 * u32 + 2 * precision.weight_roundoff) * sum_abs + expected.output_error[i] + flushed;
            if (std::isfinite(expected.output[i])) bound += ulp(expected.output[i], precision) / 2;
            if (sees_nothing) bound = 0;  // exactly zero
            const double s = share(output[i], expected.output[i], bound);
            if (worst.worst_index < 0 || s > worst.output) worst.worst_index = static_cast<int64_t>(i);
            worst.output = std::max(worst.output, s);

            const double error = std::abs(output[i] - expected.output[i]);
            if (std::isfinite(error)) squared_error += error * error, squared += expected.output[i] * expected.output[i];
            if (error > 0) worst.r = std::max(worst.r, std::isfinite(error) && sum_abs > 0 ? error / (u_out * sum_abs) : infinity);
        }
        if (lse.empty()) continue;
        const double bound = expected.lse_error[row] + 8 * u32 * std::max(1.0, std::abs(expected.lse[row])) + precision.sum_roundoff + flushed;
        worst.lse = std::max(worst.lse, share(lse[row], expected.lse[row], bound));
    }
    worst.relative_rms = squared_error == 0 ? 0 : std::sqrt(squared_error / squared);
    return worst;
}

double pairs_share(const ReferenceResult &expected, const std::vector<double> &pairs, const Precision &precision) {
    if (pairs.size() != expected.pairs.size()) throw std::invalid_argument("pairs_share: another size than the reference");
    double worst = 0;
    for (size_t i = 0; i < pairs.size(); i++) {
        double bound = expected.pairs_error[i] + flushed;
        if (std::isfinite(expected.pairs[i])) bound += ulp(expected.pairs[i], precision) / 2;
        worst = std::max(worst, share(pairs[i], expected.pairs[i], bound));
    }
    return worst;
}

}  // namespace attune

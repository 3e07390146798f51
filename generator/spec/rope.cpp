#include "generator/spec/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace attune {

std::vector<double> RopeSpec::frequencies() const {
    std::vector<double> out;
    for (int pair = 0; pair < dims / 2; pair++) {
        const double plain = std::pow(base, -2.0 * pair / dims), wavelength = 2 * std::numbers::pi / plain;
        double frequency = plain;
        if (scaling == Scaling::linear) frequency = plain / factor;
        if (scaling == Scaling::llama3) {
            // Short wavelengths stay, long ones are stretched, and between them both are mixed. Llama 3.1, "rope_scaling".
            const double turns = original_context / wavelength;
            const double mix = std::clamp((turns - low_freq_factor) / (high_freq_factor - low_freq_factor), 0.0, 1.0);
            frequency = (1 - mix) * plain / factor + mix * plain;
        }
        out.push_back(frequency);
    }
    return out;
}

std::string rope_text(const RopeSpec &rope, const char *quote) {
    if (rope.style == RopeSpec::Style::none) return "";
    std::string out = fmt::format("style = {0}{1}{0}, base = {2}, dims = {3}", quote, rope.style == RopeSpec::Style::half ? "half" : "interleaved",
                                  rope.base, rope.dims);
    if (rope.scaling == RopeSpec::Scaling::linear) out += fmt::format(", scaling = {0}linear{0}, factor = {1}", quote, rope.factor);
    if (rope.scaling == RopeSpec::Scaling::llama3)
        out += fmt::format(", scaling = {0}llama3{0}, factor = {1}, low_freq_factor = {2}, high_freq_factor = {3}, original_context = {4}", quote,
                           rope.factor, rope.low_freq_factor, rope.high_freq_factor, rope.original_context);
    return out;
}

}  // namespace attune

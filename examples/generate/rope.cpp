#include "rope.h"

#include <cmath>

Rope::Rope(int64_t head_dim, double base, int64_t positions) : pairs_(head_dim / 2) {
    cos_.reserve(positions * pairs_);
    sin_.reserve(positions * pairs_);
    for (int64_t position = 0; position < positions; ++position)
        for (int64_t i = 0; i < pairs_; ++i) {
            // In double: in float, the angle of position 8000 would be off by 5e-4.
            const double angle =
                static_cast<double>(position) * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
            cos_.push_back(static_cast<float>(std::cos(angle)));
            sin_.push_back(static_cast<float>(std::sin(angle)));
        }
}

void Rope::rotate(float *x, int64_t heads, int64_t tokens, int64_t first_position) const {
    for (int64_t t = 0; t < tokens; ++t) {
        const float *cos = cos_.data() + (first_position + t) * pairs_, *sin = sin_.data() + (first_position + t) * pairs_;
        for (int64_t h = 0; h < heads; ++h, x += 2 * pairs_)
            for (int64_t i = 0; i < pairs_; ++i) {
                const float a = x[2 * i], b = x[2 * i + 1];
                x[2 * i] = a * cos[i] - b * sin[i];
                x[2 * i + 1] = a * sin[i] + b * cos[i];
            }
    }
}

#include "generator/reference/rope.h"

#include <cmath>

namespace attune {

Rotation::Rotation(const RopeSpec &rope) : style_(rope.style) {
    if (style_ != RopeSpec::Style::none) frequencies_ = rope.frequencies();
}

void Rotation::turn(double *row, int64_t position, double *terms) const {
    const size_t pairs = frequencies_.size();
    for (size_t i = 0; i < pairs; i++) {
        const bool half = style_ == RopeSpec::Style::half;
        const size_t first = half ? i : 2 * i, second = half ? i + pairs : 2 * i + 1;
        const double angle = static_cast<double>(position) * frequencies_[i], c = std::cos(angle), s = std::sin(angle);
        const double x = row[first], y = row[second];
        row[first] = x * c - y * s;
        row[second] = x * s + y * c;
        if (!terms) continue;
        terms[first] = std::abs(x * c) + std::abs(y * s);
        terms[second] = std::abs(x * s) + std::abs(y * c);
    }
}

void rotate_query(ReferenceProblem &p, const RopeSpec &rope) {
    if (rope.style == RopeSpec::Style::none) return;
    const Rotation rotation(rope);
    p.query_terms.assign(p.query.size(), 0.0);
    const auto length_of = [](const std::vector<int32_t> &lengths, int64_t b, int64_t all) {
        return lengths.empty() ? all : int64_t{lengths[static_cast<size_t>(b)]};
    };
    for (int64_t b = 0; b < p.batch; b++) {
        const int64_t first = length_of(p.lengths_kv, b, p.seq_len_kv) - length_of(p.lengths_q, b, p.seq_len_q);
        for (int64_t h = 0; h < p.num_heads; h++)
            for (int64_t q = 0; q < p.seq_len_q; q++) {
                const int64_t at = ((b * p.num_heads + h) * p.seq_len_q + q) * p.head_dim;
                rotation.turn(p.query.data() + at, first + q, p.query_terms.data() + at);
            }
    }
}

}  // namespace attune

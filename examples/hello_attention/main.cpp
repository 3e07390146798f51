// Causal attention of 6 tokens, 4 query heads on 2 key/value heads, compared with the equation as loops.
#include "hello_causal.h"

#include <attune/attention.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

int main() {
    const attune::Shape q{.batch = 1, .heads = 4, .seq_len = 6, .head_dim = 64}, kv{.batch = 1, .heads = 2, .seq_len = 6, .head_dim = 64};
    std::vector<float> query(4 * 6 * 64), key(2 * 6 * 64), value(2 * 6 * 64), output(4 * 6 * 64);
    for (size_t i = 0; i < query.size(); ++i)
        query[i] = std::sin(0.7f * i);
    for (size_t i = 0; i < key.size(); ++i)
        key[i] = std::sin(0.3f * i), value[i] = std::cos(0.1f * i);

    attune::Workspace workspace;
    const attune::Status status = attune::find("hello_causal")({.query = attune::bhsd(query.data(), q),
                                                                .key = attune::bhsd(key.data(), kv),
                                                                .value = attune::bhsd(value.data(), kv),
                                                                .output = attune::bhsd(output.data(), q)},
                                                               workspace);
    if (!status)
        return std::fprintf(stderr, "%s\n", status.message().data()), 1;

    double largest_difference = 0;
    for (int h = 0; h < 4; ++h)
        for (int i = 0; i < 6; ++i) {
            const float *row = &query[(h * 6 + i) * 64], *keys = &key[h / 2 * 6 * 64], *values = &value[h / 2 * 6 * 64];
            double weighted[64] = {}, total = 0;
            for (int j = 0; j <= i; ++j) {  // causal: token i sees tokens 0 .. i
                double dot = 0;
                for (int d = 0; d < 64; ++d)
                    dot += double(row[d]) * keys[j * 64 + d];
                const double weight = std::exp(dot / std::sqrt(64.0));
                total += weight;
                for (int d = 0; d < 64; ++d)
                    weighted[d] += weight * values[j * 64 + d];
            }
            const float *result = &output[(h * 6 + i) * 64];
            for (int d = 0; d < 64; ++d) {
                const double difference = std::fabs(result[d] - weighted[d] / total);
                if (!(difference <= largest_difference))
                    largest_difference = difference;  // keeps a NaN
            }
            std::printf("head %d token %d: %7.4f %7.4f %7.4f ...\n", h, i, result[0], result[1], result[2]);
        }
    std::printf("largest difference from loops in double: %.1e\n", largest_difference);
    return largest_difference < 1e-5 ? 0 : 1;
}

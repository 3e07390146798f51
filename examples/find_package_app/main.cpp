// Two sequences of 3 and 5 keys in one padded batch, by the kernel's C function, compared with the equation as loops.
#include "padded_d32.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

int main() {
    constexpr int batch = 2, heads = 3, seq_len = 5, dim = 32, token = heads * dim;
    const int32_t lengths[batch] = {3, 5};
    std::vector<float> query(batch * seq_len * token), key(query.size()), value(query.size()), output(query.size());
    for (size_t i = 0; i < query.size(); ++i)
        query[i] = std::sin(0.7f * i), key[i] = std::sin(0.3f * i), value[i] = std::cos(0.1f * i);
    for (int i = 3 * token; i < 5 * token; ++i)
        key[i] = value[i] = NAN;  // beyond a length nothing is used, not even this

    attune_attention_args args{};
    args.size = sizeof args;
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    args.query = query.data();
    args.key = key.data();
    args.value = value.data();
    args.output = output.data();
    args.batch = batch;
    args.num_heads = args.num_kv_heads = heads;
    args.seq_len_q = args.seq_len_kv = seq_len;
    for (int64_t *stride : {args.stride_query, args.stride_key, args.stride_value, args.stride_output}) {
        stride[0] = seq_len * token;  // (batch, seq, heads, head_dim) in memory, as a dense layer writes it
        stride[1] = dim;
        stride[2] = token;
    }
    args.lengths_q = args.lengths_kv = lengths;
    args.workspace_size = padded_d32_workspace_size(&args);
    const std::unique_ptr<void, decltype(&std::free)> workspace(std::aligned_alloc(64, (args.workspace_size + 63) / 64 * 64), std::free);
    args.workspace = workspace.get();
    if (padded_d32(&args) != ATTUNE_OK)
        return std::fprintf(stderr, "%s\n", attune_last_error()), 1;

    double largest_difference = 0;
    for (int b = 0; b < batch; ++b)
        for (int h = 0; h < heads; ++h)
            for (int i = 0; i < seq_len; ++i) {
                const auto at = [&](int s) { return (b * seq_len + s) * token + h * dim; };
                double weighted[dim] = {}, total = 0;
                for (int j = 0; j < lengths[b] && i < lengths[b]; ++j) {
                    double dot = 0;
                    for (int d = 0; d < dim; ++d)
                        dot += double(query[at(i) + d]) * key[at(j) + d];
                    const double weight = std::exp(dot / std::sqrt(double(dim)));
                    total += weight;
                    for (int d = 0; d < dim; ++d)
                        weighted[d] += weight * value[at(j) + d];
                }
                for (int d = 0; d < dim; ++d) {
                    const double difference = std::fabs(output[at(i) + d] - (total > 0 ? weighted[d] / total : 0));
                    if (!(difference <= largest_difference))
                        largest_difference = difference;  // keeps a NaN
                }
            }
    std::printf("find_package_app: %d sequences, largest difference from loops in double: %.1e\n", batch, largest_difference);
    return largest_difference < 1e-5 ? 0 : 1;
}

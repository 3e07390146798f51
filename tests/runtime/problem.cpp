#include "problem.h"

#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

namespace {
/// Strides of memory order (batch, head, seq) with `pad` elements after each row and twice as many after each head.
void lay_out(int64_t strides[3], int64_t heads, int64_t rows, int64_t dim, int64_t pad) {
    strides[2] = dim + pad;
    strides[1] = rows * strides[2] + 2 * pad;
    strides[0] = heads * strides[1];
}
std::vector<float> random(int64_t count, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float &v : values)
        v = normal(generator);
    return values;
}
}  // namespace

void Problem::build() {
    const int64_t held = cu_q.empty() ? batch : 1;  // sequences in memory
    args = {};
    args.size = sizeof args;
    args.version = ATTUNE_ATTENTION_ARGS_VERSION;
    args.batch = batch;
    args.num_heads = heads;
    args.num_kv_heads = kv_heads;
    args.seq_len_q = rows;
    args.seq_len_kv = keys;
    lay_out(args.stride_query, heads, rows, fake_head_dim, pad);
    lay_out(args.stride_key, kv_heads, keys, fake_head_dim, pad);
    lay_out(args.stride_value, kv_heads, keys, fake_head_dim_v, pad);
    lay_out(args.stride_output, heads, rows, fake_head_dim_v, pad);
    lay_out(args.stride_lse, heads, rows, 1, pad);
    query = random(held * args.stride_query[0] + 1, 1);
    key = random(held * args.stride_key[0] + 1, 2);
    value = random(held * args.stride_value[0] + 1, 3);
    output.assign(held * args.stride_output[0] + 1, untouched);
    lse.assign(held * args.stride_lse[0] + 1, untouched);
    args.query = query.data();
    args.key = key.data();
    args.value = value.data();
    args.output = output.data();
    args.lse = lse.data();
    args.lengths_q = lengths_q.empty() ? nullptr : lengths_q.data();
    args.lengths_kv = lengths_kv.empty() ? nullptr : lengths_kv.data();
    args.cu_seqlens_q = cu_q.empty() ? nullptr : cu_q.data();
    args.cu_seqlens_kv = cu_kv.empty() ? nullptr : cu_kv.data();
    exec = {};
    exec.size = sizeof exec;
    exec.num_threads = 1;
    args.exec = &exec;
}

void Problem::ask_pairs() {
    lay_out(args.stride_pairs, heads, rows, keys, pad);
    pairs.assign(batch * args.stride_pairs[0] + 1, untouched);
    args.pairs = pairs.data();
}

void Problem::give_workspace(const attune_kernel *kernel) {
    std::free(workspace_);
    args.workspace_size = attune_kernel_workspace_size(kernel, &args);
    args.workspace = workspace_ = args.workspace_size ? std::aligned_alloc(64, args.workspace_size) : nullptr;
}

attune_status Problem::run(const attune_kernel *kernel) {
    give_workspace(kernel);
    return attune_kernel_run(kernel, &args);
}

Problem::~Problem() {
    std::free(workspace_);
}

namespace {
void expect_near(const std::vector<float> &found, const std::vector<float> &wanted, const char *what) {
    for (size_t i = 0; i < wanted.size(); i++) {
        if (std::isinf(wanted[i]))
            ASSERT_EQ(found[i], wanted[i]) << what << " element " << i;
        else
            ASSERT_NEAR(found[i], wanted[i], 1e-5) << what << " element " << i;
        if (wanted[i] == 0) {  // +0, never -0
            ASSERT_EQ(std::signbit(found[i]), std::signbit(wanted[i])) << what << " element " << i;
        }
    }
}
}  // namespace

void Problem::expect_right(bool with_lse) const {
    std::vector<float> want(output.size(), untouched), want_lse(lse.size(), untouched), want_pairs(pairs.size(), untouched);
    const bool packed = !cu_q.empty();
    const auto at = [&](const int64_t strides[3], int64_t b, int64_t h, int64_t s) {
        return (packed ? 0 : b * strides[0]) + h * strides[1] + s * strides[2];
    };
    for (int64_t b = 0; b < batch; b++) {
        const int64_t first_q = packed ? cu_q[b] : 0, first_kv = packed ? cu_kv[b] : 0;
        const int64_t held = packed ? cu_q[b + 1] - cu_q[b] : rows;
        const int64_t used = lengths_q.empty() ? held : lengths_q[b];
        const int64_t n = packed ? cu_kv[b + 1] - cu_kv[b] : lengths_kv.empty() ? keys : lengths_kv[b];
        for (int64_t h = 0; h < heads; h++)
            for (int64_t q = 0; q < held; q++) {
                const int64_t kv_head = h * kv_heads / heads;
                std::vector<double> weights(q < used ? n : 0);
                double sum = 0, acc[fake_head_dim_v] = {};
                for (int64_t kv = 0; kv < int64_t(weights.size()); kv++) {
                    if (visible && !visible({int(b), int(h), int(q), int(kv), int(used), int(n)}))
                        continue;
                    double logit = 0;
                    for (int d = 0; d < fake_head_dim; d++)
                        logit += double(query[at(args.stride_query, b, h, first_q + q) + d]) *
                                 key[at(args.stride_key, b, kv_head, first_kv + kv) + d];
                    weights[kv] = std::exp(fake_scale * logit);
                    sum += weights[kv];
                    for (int d = 0; d < fake_head_dim_v; d++)
                        acc[d] += weights[kv] * value[at(args.stride_value, b, kv_head, first_kv + kv) + d];
                }
                for (int d = 0; d < fake_head_dim_v; d++)
                    want[at(args.stride_output, b, h, first_q + q) + d] = sum > 0 ? float(acc[d] / sum) : 0.f;
                want_lse[at(args.stride_lse, b, h, first_q + q)] = sum > 0 ? float(std::log(sum)) : -INFINITY;
                for (size_t kv = 0; args.pairs && kv < weights.size(); kv++)
                    want_pairs[at(args.stride_pairs, b, h, q) + kv] = weights[kv] > 0 ? float(weights[kv] / sum) : 0.f;
            }
    }
    expect_near(output, want, "output");
    if (!with_lse)
        want_lse.assign(lse.size(), untouched);
    expect_near(lse, want_lse, "lse");
    expect_near(pairs, want_pairs, "pairs");
    if (script) {
        EXPECT_EQ(script->problems, std::vector<std::string>{});
    }
}

void Problem::expect_untouched() const {
    for (float x : output)
        ASSERT_EQ(x, untouched);
    for (float x : lse)
        ASSERT_EQ(x, untouched);
    for (float x : pairs)
        ASSERT_EQ(x, untouched);
}

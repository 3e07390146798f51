// The cache, the rotation, and Attune's kernels beside the plain loops.
#include "attune_attention.h"
#include "kv_cache.h"
#include "naive_attention.h"
#include "rope.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace {

TEST(KvCache, takes_tokens_as_a_dense_layer_leaves_them) {
    KvCache cache(/*num_layers=*/2, /*num_kv_heads=*/2, /*head_dim=*/3, /*capacity=*/4);
    std::vector<float> key(2 * 2 * 3), value(key.size());
    std::iota(key.begin(), key.end(), 1.0f);
    std::iota(value.begin(), value.end(), 101.0f);
    cache.advance(1);
    cache.append(1, key.data(), value.data(), 2);
    EXPECT_EQ(cache.length(), 1);
    const auto at = [](int head, int position, int d) { return (head * 4 + position) * 3 + d; };
    EXPECT_EQ(cache.key(1)[at(0, 1, 0)], 1.0f);
    EXPECT_EQ(cache.key(1)[at(1, 1, 2)], 6.0f);
    EXPECT_EQ(cache.key(1)[at(0, 2, 0)], 7.0f);
    EXPECT_EQ(cache.value(1)[at(1, 2, 2)], 112.0f);
    EXPECT_EQ(cache.key(1)[at(0, 0, 0)], 0.0f);
    EXPECT_EQ(cache.key(1)[at(0, 3, 0)], 0.0f);
    EXPECT_TRUE(std::all_of(cache.key(0), cache.key(0) + 2 * 4 * 3, [](float x) { return x == 0; }));
}

TEST(Rope, turns_neighbours_by_the_angle_of_their_position) {
    const Rope rope(4, 100, 8);
    std::vector<float> x = {0, 0, 0, 0, 1, 0, 0, 1};  // the second of two tokens
    rope.rotate(x.data(), 1, 2, 4);                   // it is at position 5: angles 5 and 5 / 10
    EXPECT_NEAR(x[4], std::cos(5.0), 1e-6);
    EXPECT_NEAR(x[5], std::sin(5.0), 1e-6);
    EXPECT_NEAR(x[6], -std::sin(0.5), 1e-6);
    EXPECT_NEAR(x[7], std::cos(0.5), 1e-6);
}

struct Call {
    const char *name;
    int64_t tokens, length, capacity, kv_heads;
};
void PrintTo(const Call &c, std::ostream *out) {
    *out << c.name;
}
class AttentionCalls : public testing::TestWithParam<Call> {};

// What is in the cache after its length is NaN here: nothing may come of it.
TEST_P(AttentionCalls, agree_with_plain_loops) {
    const Call &c = GetParam();
    const int64_t heads = 3 * c.kv_heads, dims = 64;
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    const auto numbers = [&](int64_t count) {
        std::vector<float> values(count);
        std::ranges::generate(values, [&] { return normal(random); });
        return values;
    };
    const std::vector<float> query = numbers(dims * heads * c.tokens);
    std::vector<float> key = numbers(dims * c.capacity * c.kv_heads), value = numbers(dims * c.capacity * c.kv_heads);
    for (int64_t i = 0; i < std::ssize(key); ++i)
        if (i / dims % c.capacity >= c.length)
            key[i] = value[i] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> attune(query.size()), naive(query.size());
    AttentionCall call{query.data(), key.data(), value.data(), attune.data(), c.tokens, c.length, c.capacity, heads, c.kv_heads, dims, 2};
    AttuneAttention()(call);
    call.output = naive.data();
    naive_attention(call);
    // Logits are below 6 in magnitude: (4.1 * 6 + 8) * 2^-24 = 2e-6 of values below 4.5, twice.
    for (size_t i = 0; i < naive.size(); ++i)
        ASSERT_NEAR(attune[i], naive[i], 2e-5) << i;
}

INSTANTIATE_TEST_SUITE_P(Cache, AttentionCalls,
                         testing::Values(Call{"first_token", 1, 1, 16, 1},          //
                                         Call{"prompt", 37, 37, 64, 3},             // fills no vector
                                         Call{"one_token_after_it", 1, 38, 64, 3},  //
                                         Call{"full_cache", 1, 64, 64, 2},          //
                                         Call{"rows_after_others", 5, 42, 64, 2},   // causal from the end
                                         Call{"over_a_chunk", 1, 700, 1024, 1}),    // two tasks of 512 keys
                         [](const auto &info) { return info.param.name; });

}  // namespace

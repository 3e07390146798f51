// The cache, the rotation, and Attune's kernels beside the plain loops.
#include "attune_attention.h"
#include "kv_cache.h"
#include "naive_attention.h"
#include "rope.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace {

// What a cache of this format holds for key or value of a layer, as floats: the equation of attune_kv_cache.
std::vector<float> unpack(const attune::OutputView &rows, const attune::TensorView<float> &scales, CacheFormat format) {
    std::vector<float> values;
    const int64_t bytes = rows.shape.head_dim;
    for (int64_t row = 0; row < rows.shape.heads * rows.shape.seq_len; ++row) {
        const auto *data = static_cast<const uint8_t *>(rows.data) + row * bytes;
        const float *scale = scales.data + row * scales.shape.head_dim;
        for (int64_t d = 0; format == CacheFormat::i8 && d < bytes; ++d)
            values.push_back(scale[0] * static_cast<float>(static_cast<int8_t>(data[d])));
        for (int64_t d = 0; format == CacheFormat::i4 && d < 2 * bytes; ++d) {
            const int byte = data[d / 32 * 16 + d % 16];
            values.push_back(scale[d / 32] * static_cast<float>((d % 32 < 16 ? byte & 15 : byte >> 4) - 8));
        }
    }
    return values;
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
    int64_t tokens, length, capacity, kv_heads;  // length: before the call
};
void PrintTo(const Call &c, std::ostream *out) {
    *out << c.name;
}

/// A call whose cache was filled by `earlier`, from tokens that are the same each time.
struct Fixture {
    Call c;
    int64_t dims = 64, heads = 3 * c.kv_heads;
    Rope rope{64, 100000, c.capacity};
    std::vector<float> query, key, value, output;

    explicit Fixture(const Call &call) : c(call) {
        std::mt19937 random(2);
        std::normal_distribution<float> normal;
        const auto numbers = [&](int64_t count) {
            std::vector<float> values(count);
            std::ranges::generate(values, [&] { return normal(random); });
            return values;
        };
        query = numbers(dims * heads * (c.length + c.tokens));
        key = numbers(dims * c.kv_heads * (c.length + c.tokens));
        value = numbers(std::ssize(key));
        output.resize(dims * heads * c.tokens);
    }
    // Tokens first … first + tokens - 1.
    AttentionCall call(KvCache &cache, int64_t first, int64_t tokens, std::vector<float> &to) {
        to.resize(dims * heads * tokens);
        return {query.data() + first * dims * heads,
                key.data() + first * dims * c.kv_heads,
                value.data() + first * dims * c.kv_heads,
                to.data(),
                &cache,
                1,  // the second of two layers
                &rope,
                tokens,
                heads,
                c.kv_heads,
                dims,
                2};
    }
    const std::vector<float> &run(const Attention &attention, KvCache &cache) {
        std::vector<float> ignored;
        if (c.length > 0)
            attention(call(cache, 0, c.length, ignored));
        cache.advance(c.length);
        attention(call(cache, c.length, c.tokens, output));
        return output;
    }
};

class AttentionCalls : public testing::TestWithParam<Call> {};

// What is in the cache after its length is NaN here: nothing may come of it.
TEST_P(AttentionCalls, agree_with_plain_loops) {
    const Call &c = GetParam();
    Fixture f(c);
    KvCache ours(CacheFormat::f32, 2, c.kv_heads, f.dims, c.capacity), theirs = ours;
    const int64_t elements = c.kv_heads * c.capacity * f.dims;
    std::fill_n(ours.key(1), 2 * elements, std::numeric_limits<float>::quiet_NaN());
    AttuneAttention kernels;
    const std::vector<float> attune = f.run(std::ref(kernels), ours), naive = f.run(naive_attention, theirs);
    // Logits are below 6 in magnitude: (4.1 * 6 + 8) * 2^-24 = 2e-6 of values below 4.5, twice.
    for (size_t i = 0; i < naive.size(); ++i)
        ASSERT_NEAR(attune[i], naive[i], 2e-5) << i;
    for (int64_t i = 0; i < elements; ++i) {
        if (i / f.dims % c.capacity >= c.length + c.tokens) {
            ASSERT_TRUE(std::isnan(ours.key(1)[i]) && std::isnan(ours.value(1)[i])) << i;
            continue;
        }
        ASSERT_NEAR(ours.key(1)[i], theirs.key(1)[i], 2e-6) << i;
        ASSERT_EQ(ours.value(1)[i], theirs.value(1)[i]) << i;
    }
    EXPECT_TRUE(std::all_of(ours.key(0), ours.key(0) + 2 * elements, [](float x) { return x == 0; }));
}

// From a rounded cache as from the floats that its integers stand for; a prompt is computed from its own floats.
TEST_P(AttentionCalls, of_rounded_caches_agree_with_plain_loops_on_what_they_hold) {
    const Call &c = GetParam();
    for (CacheFormat format : {CacheFormat::i8, CacheFormat::i4}) {
        SCOPED_TRACE(name_of(format));
        Fixture f(c);
        KvCache rounded(format, 2, c.kv_heads, f.dims, c.capacity), floats(CacheFormat::f32, 2, c.kv_heads, f.dims, c.capacity);
        AttuneAttention kernels;
        const std::vector<float> attune = f.run(std::ref(kernels), rounded);
        f.run(naive_attention, floats);
        const KvCache::Layer layer = rounded.layer(1);
        const std::vector<float> key = unpack(layer.key, layer.beside.key_scale, format);
        const std::vector<float> value = unpack(layer.value, layer.beside.value_scale, format);
        const float half_step = format == CacheFormat::i8 ? 0.5f / 127 : 0.5f / 7;
        for (int64_t i = 0; i < std::ssize(key); ++i) {
            const float largest = 5.5f;  // of a pair of numbers, turned
            ASSERT_NEAR(key[i], floats.key(1)[i], largest * half_step) << i;
            ASSERT_NEAR(value[i], floats.value(1)[i], largest * half_step) << i;
        }
        if (c.length > 0 || c.tokens == 1) {  // the loops again, the last tokens' queries against what the cache holds
            std::vector<float> naive(f.output.size());
            std::ranges::copy(key, floats.key(1));
            std::ranges::copy(value, floats.value(1));
            naive_attention_on_cache(f.call(floats, c.length, c.tokens, naive));
            for (size_t i = 0; i < naive.size(); ++i)
                ASSERT_NEAR(attune[i], naive[i], 1e-4) << i;  // products with integers round the query to 16 bits
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Cache, AttentionCalls,
                         testing::Values(Call{"first_token", 1, 0, 16, 1},          //
                                         Call{"prompt", 37, 0, 64, 3},              // fills no vector
                                         Call{"one_token_after_it", 1, 37, 64, 3},  //
                                         Call{"full_cache", 1, 63, 64, 2},          //
                                         Call{"rows_after_others", 5, 37, 64, 2},   // causal from the end
                                         Call{"over_a_chunk", 1, 699, 1024, 1}),    // several tasks
                         [](const auto &info) { return info.param.name; });

}  // namespace

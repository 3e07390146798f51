// Generation with pseudo-random weights: needs no model.
#include "generate.h"

#include "attune_attention.h"
#include "input_error.h"
#include "naive_attention.h"
#include "temporary_file.h"
#include "tiny_model.h"

#include <gtest/gtest.h>

namespace {

struct TinyModel : testing::Test {
    TemporaryFile path{tiny_model()};
    Gguf gguf{path.path()};
    Model model{gguf};
    KvCache cache = model.make_cache(64);
    AttuneAttention attune;
    std::vector<int32_t> prompt{'a', 'b', 'c', ' ', 'd', 'e'};
    std::vector<Eigen::VectorXf> logits;

    Generation run(const Attention &attention, const GenerateOptions &options) {
        logits.clear();
        return generate(model, prompt, cache, attention, options, [&](int32_t, const Eigen::VectorXf &step) { logits.push_back(step); });
    }
};

TEST_F(TinyModel, says_the_same_without_the_cache_and_with_plain_loops) {
    GenerateOptions options{.max_tokens = 30};
    const Generation cached = run(std::ref(attune), options);
    ASSERT_EQ(cached.tokens.size(), 30u);
    EXPECT_EQ(cache.length(), 6 + 29);
    const auto expected = logits;
    const auto expect_same = [&](const Generation &other) {
        EXPECT_EQ(other.tokens, cached.tokens);
        for (size_t i = 0; i < expected.size(); ++i)
            EXPECT_LE((logits[i] - expected[i]).cwiseAbs().maxCoeff(), 1e-4f * expected[i].cwiseAbs().maxCoeff()) << i;
    };
    expect_same(run(naive_attention, options));
    options.cached = false;
    expect_same(run(std::ref(attune), options));
    options.threads = 3;
    expect_same(run(std::ref(attune), options));
}

// Logits are up to 18 in magnitude here. What 8 and 4 bits do to them was 0.5 and 5.6.
TEST_F(TinyModel, says_nearly_the_same_from_a_rounded_cache) {
    const Generation exact = run(naive_attention, {.max_tokens = 30});
    const auto expected = logits;
    const auto largest_difference = [&](CacheFormat format) {
        cache = model.make_cache(64, format);
        run(std::ref(attune), {.given = exact.tokens});
        float largest = 0;
        for (size_t i = 0; i < expected.size(); ++i)
            largest = std::max(largest, (logits[i] - expected[i]).cwiseAbs().maxCoeff<Eigen::PropagateNaN>());
        return largest;
    };
    const float i8 = largest_difference(CacheFormat::i8), i4 = largest_difference(CacheFormat::i4);
    EXPECT_LE(i8, 0.8f);
    EXPECT_LE(i4, 9.0f);
    EXPECT_GT(i8, 1e-4f);  // they are rounded
    EXPECT_GT(i4, i8);
}

TEST_F(TinyModel, sees_every_token_of_the_prompt) {
    run(naive_attention, {.max_tokens = 1});
    const Eigen::VectorXf before = logits[0];
    for (int32_t &token : prompt) {
        token += 1;
        run(naive_attention, {.max_tokens = 1});
        EXPECT_GT((logits[0] - before).cwiseAbs().maxCoeff(), 1e-2f);
        token -= 1;
    }
}

TEST_F(TinyModel, goes_on_with_given_tokens_and_says_what_it_would_have_said) {
    const std::vector<int32_t> free = run(naive_attention, {.max_tokens = 4}).tokens;
    std::vector<int32_t> given = free;
    given[1] = free[1] == 7 ? 8 : 7;
    const std::vector<int32_t> forced = run(naive_attention, {.given = given}).tokens;
    EXPECT_EQ(forced.size(), 4u);
    EXPECT_EQ(forced[0], free[0]);
    EXPECT_EQ(forced[1], free[1]);  // said before the other one is given
}

TEST_F(TinyModel, ends_with_the_stop_token) {
    const std::vector<int32_t> free = run(naive_attention, {.max_tokens = 8}).tokens;
    const Generation stopped = run(naive_attention, {.max_tokens = 8, .stop = free[0]});
    EXPECT_EQ(stopped.tokens.size(), 1u);
    EXPECT_EQ(stopped.prompt.tokens, 6);
    EXPECT_EQ(stopped.steps.tokens, 0);
}

TEST(Model, refuses_another_architecture) {
    const TemporaryFile path(tiny_model(64, "mamba"));
    const Gguf gguf(path.path());
    EXPECT_THROW(Model{gguf}, InputError);
}

}  // namespace

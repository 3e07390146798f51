/// That the passes over Halide's lowered statements find what they are for in the kernels of matrix tiles: where one does not, the kernel is right and slow.
#include "generator/backend/code_generator.h"
#include "generator/backend/lowering.h"
#include "tests/support/kernel_case.h"

#include <gtest/gtest.h>

#include <regex>
#include <sstream>

namespace attune::test {

namespace {

std::string lowered(const AttentionSpec &spec, TaskFunction task) {
    const KernelPlan plan = plan_kernel(spec, cpu_target("amx"));
    const ScheduledFunction function = schedule_function(plan, task);
    const Halide::Module module = Halide::Pipeline(function.pipeline).compile_to_module(function.arguments, "task", halide_target(*plan.target, {}));
    std::ostringstream text;
    for (const auto &f : module.functions()) text << f.body;
    return text.str();
}

int count(const std::string &text, const std::string &pattern) {
    const std::regex regex(pattern);
    return static_cast<int>(std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator()));
}

class TilePasses : public testing::TestWithParam<std::tuple<const char *, int>> {
protected:
    void SetUp() override {
        if (!has_llvm_backend()) GTEST_SKIP() << "built without the LLVM back end";
        const int head_dim = std::get<1>(GetParam());
        text = lowered(make_spec(DType::bf16, head_dim, head_dim, 1, PairsText{.mask = std::get<0>(GetParam())}), TaskFunction::fixed);
    }
    std::string text;
};

TEST_P(TilePasses, sums_go_to_the_accumulator) {
    // Of full and of partial chunks one contraction of all head dims, from what is there; partial ones ask ahead.
    for (const char *products_of_ask : {"0", "4"})
        EXPECT_EQ(count(text, std::string(R"(attune_op_contract_bf16\(accumulator[^\n]*, 0, 0, 1, )") + products_of_ask + R"(\))"), 1) << text;
    EXPECT_EQ(count(text, "allocate weighted"), 0);
}

TEST_P(TilePasses, no_dot_product_is_left_to_vectors) { EXPECT_EQ(count(text, "attune_op_dot_bf16"), 0); }

TEST_P(TilePasses, scores_and_row_sums_of_full_chunks_are_kept_small) {
    // 64 keys of 32 rows, and four sums of each row.
    EXPECT_EQ(count(text, R"(allocate scores_full(\$\d+)?\[float32 \* 2048\])"), 1) << text;
    EXPECT_EQ(count(text, R"(allocate pairs_full(\$\d+)?\.1\[float32 \* 128\])"), 1);
    EXPECT_EQ(count(text, "allocate row_sums_full"), 0);
}

TEST_P(TilePasses, products_stand_between_exponentials) {
    const int steps = (std::get<1>(GetParam()) + 31) / 32;
    // The first 32 keys at once, the others a step at a time.
    EXPECT_EQ(count(text, R"(attune_op_contract_bf16\(scores_full)"), 1 + steps) << text;
}

/// Caches of integers.
class IntegerTilePasses : public testing::TestWithParam<KvDType> {
protected:
    void SetUp() override {
        if (!has_llvm_backend()) GTEST_SKIP() << "built without the LLVM back end";
        AttentionSpec spec = make_spec(DType::f16, 128, 128, 4, PairsText{.mask = "causal"});
        spec.decode = true;
        spec.cache.dtype = GetParam();
        text = lowered(spec, TaskFunction::split);
    }
    std::string text;
};

TEST_P(IntegerTilePasses, no_dot_product_is_left_to_vectors) { EXPECT_EQ(count(text, "attune_op_dot_"), 0); }

TEST_P(IntegerTilePasses, sums_of_values_stay_in_tiles) {
    const std::string of_sums = R"(attune_op_contract_\w+\((group_)?sums(\$\d+)?,[^\n]*, )";
    EXPECT_EQ(count(text, of_sums + R"(0, 1, \d\))"), 0) << text;
    EXPECT_GT(count(text, of_sums + R"(1, (0|-\d), 2\))"), 0);
    EXPECT_EQ(count(text, of_sums + R"(0, (0|-\d), 2\))"), count(text, of_sums + R"(2, (0|-\d), 2\))"));
}

TEST_P(IntegerTilePasses, scores_start_from_zero_tiles) {
    const std::string of_scores = R"(attune_op_contract_\w+\(scores[^\n]*, )";
    EXPECT_GT(count(text, of_scores + R"(1, 0, 1, 2\))"), 0) << text;
    EXPECT_EQ(count(text, of_scores + R"(0, 0, 1, \d\))"), 0);
}

INSTANTIATE_TEST_SUITE_P(, IntegerTilePasses, testing::Values(KvDType::i8, KvDType::i4), [](const auto &info) { return std::string(kv_dtype_name(info.param)); });

int64_t parameter(const KernelPlan &plan, const std::string &name) {
    for (const auto &[of, value] : plan.parameters)
        if (of == name) return value;
    return 0;
}

TEST(TilesOfBlockMasks, AreTakenWhereBlocksAreWholeTiles) {
    if (!has_llvm_backend()) GTEST_SKIP() << "built without the LLVM back end";
    AttentionSpec spec = make_spec(DType::bf16, 64);
    spec.block_mask = true;
    const auto plan_of = [&](int rows, int keys) {
        spec.block_size_q = rows;
        spec.block_size_kv = keys;
        return plan_kernel(spec, cpu_target("amx"));
    };
    for (const auto &[rows, keys] : {std::pair(128, 128), {64, 64}, {128, 96}}) {
        const KernelPlan plan = plan_of(rows, keys);
        EXPECT_EQ(parameter(plan, "tile_d"), 16) << rows << " " << keys;
        EXPECT_EQ(parameter(plan, "block_kv"), keys);
    }
    EXPECT_EQ(parameter(plan_of(48, 48), "tile_d"), 8);
}

INSTANTIATE_TEST_SUITE_P(, TilePasses, testing::Combine(testing::Values("none", "causal", "causal && window(100)"), testing::Values(64, 128)));

}  // namespace

}  // namespace attune::test

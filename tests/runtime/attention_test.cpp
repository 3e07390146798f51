/// What a call writes: shapes, layouts, lengths, row classes, float mode.
#include "problem.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <xmmintrin.h>

namespace {

struct ShapeCase {
    const char *name;
    int64_t batch, heads, kv_heads, rows, keys, pad;
    std::vector<int32_t> lengths_q, lengths_kv, cu_q, cu_kv;
};

class Shapes : public testing::TestWithParam<std::tuple<ShapeCase, bool /* causal */, bool /* fixed */, int /* threads */>> {};

TEST_P(Shapes, FollowTheEquation) {
    const auto &[c, causal, has_fixed, threads] = GetParam();
    FakeKernel fake({.has_fixed = has_fixed, .has_mask = causal});
    fake.kernel.info.mask = causal ? "causal && window(9)" : "true";
    script->row_class = [](int b, int h, int q) { return (b + h + q) % 3 == 0 ? ATTUNE_ROW_ONLINE : ATTUNE_ROW_FIXED; };
    script->guard_holds = [](int b, int h, int q) { return (b + h + q) % 3 != 1; };
    Problem p;
    p.batch = c.batch, p.heads = c.heads, p.kv_heads = c.kv_heads, p.rows = c.rows, p.keys = c.keys, p.pad = c.pad;
    p.lengths_q = c.lengths_q, p.lengths_kv = c.lengths_kv, p.cu_q = c.cu_q, p.cu_kv = c.cu_kv;
    if (causal)
        p.visible = script->visible = is_causal;
    p.build();
    p.exec.num_threads = threads;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
    // Each row is stored once: by `fixed` where class and guard allow, else by `exact`.
    for (const auto &[row, by] : script->stored) {
        const auto [b, h, q] = row;
        EXPECT_EQ(by, has_fixed && (b + h + q) % 3 == 2 ? "fixed" : "exact") << b << ' ' << h << ' ' << q;
    }
}

std::string name_of(const testing::TestParamInfo<Shapes::ParamType> &info) {
    const auto &[c, causal, has_fixed, threads] = info.param;
    return std::string(c.name) + (causal ? "_causal" : "") + (has_fixed ? "_fixed" : "_exact") + "_" + std::to_string(threads) + "_threads";
}

// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, Shapes,
    testing::Combine(
        testing::Values(
            //        name        batch heads kv rows keys pad
            ShapeCase{"one_query", 1, 2, 1, 1, 9, 0, {}, {}, {}, {}},                // decode
            ShapeCase{"tails", 2, 4, 2, 6, 7, 0, {}, {}, {}, {}},                    // rows not a multiple of block_q
            ShapeCase{"padded", 2, 6, 3, 9, 5, 3, {}, {}, {}, {}},                   // strides of no dense tensor
            ShapeCase{"no_key", 2, 2, 2, 5, 0, 1, {}, {}, {}, {}},                   // every row is empty: output +0, lse -inf
            ShapeCase{"no_row", 2, 2, 2, 0, 5, 1, {}, {}, {}, {}},                   // nothing to do
            ShapeCase{"no_sequence", 0, 2, 2, 5, 5, 1, {}, {}, {}, {}},              // nothing to do
            ShapeCase{"hidden_rows", 1, 2, 1, 8, 3, 0, {}, {}, {}, {}},              // causal: the first five rows see nothing
            ShapeCase{"lengths", 3, 2, 1, 9, 11, 1, {9, 0, 5}, {11, 4, 0}, {}, {}},  // full, no row, no key
            ShapeCase{"packed", 4, 4, 2, 17, 21, 2, {}, {}, {0, 5, 5, 13, 17}, {0, 3, 9, 9, 20}},  // no row, no key, a row left over
            ShapeCase{"packed_short", 6, 2, 1, 7, 6, 0, {}, {}, {0, 1, 2, 3, 4, 5, 7}, {0, 1, 2, 3, 4, 5, 6}}),  // all shorter than a block
        testing::Bool(), testing::Bool(), testing::Values(1, 3)),
    name_of);
// clang-format on

TEST(Attention, BroadcastsKeysOfStrideZero) {
    FakeKernel fake(true);
    Problem p;
    p.kv_heads = 4;
    p.build();
    p.args.stride_key[0] = p.args.stride_key[1] = p.args.stride_value[1] = 0;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

TEST(Attention, LeavesLseAloneWhereNoneIsAskedFor) {
    FakeKernel fake(true);
    Problem p;
    p.build();
    p.args.lse = nullptr;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK);
    p.expect_right(false);
}

TEST(Attention, TakesLseOfAnyStride) {
    FakeKernel fake;
    Problem p;
    p.build();
    std::swap(p.args.stride_lse[1], p.args.stride_lse[2]);  // memory order (batch, seq, heads)
    p.args.stride_lse[1] = 1;
    p.args.stride_lse[2] = p.heads;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

TEST(Attention, AcceptsNullKeysWhereThereAreNone) {
    FakeKernel fake;
    Problem p;
    p.keys = 0;
    p.build();
    p.args.key = p.args.value = nullptr;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

TEST(Attention, NeedsNoPointerWithoutRows) {
    FakeKernel fake;
    Problem p;
    p.batch = 0;
    p.build();
    p.args.query = p.args.key = p.args.value = nullptr;
    p.args.output = nullptr;
    p.args.lse = nullptr;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), 0u);
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK) << attune_last_error();
}

TEST(Attention, RunsTheLastBlocksOfCausalKernelsFirst) {
    for (bool causal : {false, true}) {
        FakeKernel fake;
        fake.kernel.info.mask = causal ? "causal" : "window(8)";
        Problem p;
        p.batch = 1, p.heads = p.kv_heads = 1, p.rows = 11;
        p.build();
        ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK);
        std::vector<int> order;
        for (auto [b, h, q_begin] : script->blocks)
            order.push_back(q_begin);
        EXPECT_EQ(order, causal ? (std::vector<int>{8, 4, 0}) : (std::vector<int>{0, 4, 8}));
    }
}

TEST(Attention, MakesKeyNormsOnceAHeadAndSkipsIdleSequences) {
    FakeKernel fake(true);
    Problem p;
    p.batch = 3;
    p.lengths_q = {6, 0, 6};
    p.lengths_kv = {7, 7, 0};
    p.build();
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK);
    EXPECT_EQ(script->key_norm_calls, 2);  // two key/value heads of the first sequence
}

TEST(Attention, MakesKeyNormsInBlocksOf4096Keys) {
    for (bool packed : {false, true}) {
        FakeKernel fake({.has_fixed = true, .block_q = 2});
        Problem p;
        p.batch = 2, p.heads = p.kv_heads = 1, p.rows = 2, p.keys = packed ? 9000 + 4097 : 9000;
        if (packed)
            p.cu_q = {0, 1, 2}, p.cu_kv = {0, 9000, 13097};
        else
            p.lengths_kv = {9000, 4096};
        p.build();
        p.exec.num_threads = 3;
        ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
        p.expect_right();
        EXPECT_EQ(script->key_norm_calls, packed ? 3 + 2 : 3 + 1);
    }
}

TEST(Attention, CallsExactOnlyWhereRowsAreLeft) {
    FakeKernel fake(true);
    Problem p;
    p.build();
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK);
    EXPECT_EQ(script->exact_calls, 0);
    p.expect_right();
}

TEST(Attention, TellsTheKeyValueHeadOfEachBlock) {
    for (int fold : {1, 3}) {
        FakeKernel fake({.fold = fold});
        Problem p;
        p.heads = 6, p.kv_heads = 2;
        p.build();
        ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
        const std::map<int, int> want =
            fold == 3 ? std::map<int, int>{{0, 0}, {3, 1}} : std::map<int, int>{{0, 0}, {1, 0}, {2, 0}, {3, 1}, {4, 1}, {5, 1}};
        EXPECT_EQ(script->kv_head_of, want);
    }
}

TEST(Attention, GivesTheSameBitsForAnyNumberOfThreads) {
    FakeKernel fake({.has_fixed = true, .strips = 3, .has_mask = true});
    script->row_class = [](int, int, int q) { return q % 2; };
    script->visible = is_causal;
    Problem one, many;
    for (Problem *p : {&one, &many}) {
        p->rows = 23;
        p->build();
        p->exec.num_threads = p == &one ? 1 : 7;
        ASSERT_EQ(p->run(&fake.kernel), ATTUNE_OK);
    }
    EXPECT_EQ(one.output, many.output);
    EXPECT_EQ(one.lse, many.lse);
}

TEST(Attention, RestoresTheCallersFloatMode) {
    const unsigned before = _mm_getcsr();
    const unsigned odd = 0x1F80 | 0x6000 | 0x0001;  // round to zero, a sticky flag, denormals kept
    FakeKernel fake;
    Problem p;
    p.build();
    p.exec.num_threads = 2;
    p.give_workspace(&fake.kernel);
    _mm_setcsr(odd);
    const attune_status status = attune_kernel_run(&fake.kernel, &p.args);
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    ASSERT_EQ(status, ATTUNE_OK);
    EXPECT_EQ(after, odd);
    EXPECT_EQ(script->problems, std::vector<std::string>{});  // the fake tasks check their own mode
}

}  // namespace

#include "problem.h"

#include <gtest/gtest.h>

namespace {

TEST(Workspace, OneByteLessIsRefused) {
    for (bool has_fixed : {false, true})
        for (int threads : {1, 3, 100}) {
            FakeKernel fake({.has_fixed = has_fixed, .strips = 3, .has_mask = true});
            script->visible = is_causal;
            Problem p;
            p.keys = 77;
            p.visible = is_causal;
            p.build();
            p.exec.num_threads = threads;
            p.give_workspace(&fake.kernel);
            const size_t needed = p.args.workspace_size;
            EXPECT_EQ(needed % 64, 0u);
            p.args.workspace_size = needed - 1;
            EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_WORKSPACE_TOO_SMALL);
            const std::string message = attune_last_error();
            EXPECT_NE(message.find(std::to_string(needed - 1)), std::string::npos) << message;
            EXPECT_NE(message.find(std::to_string(needed)), std::string::npos) << message;
            p.expect_untouched();
            p.args.workspace_size = needed;
            EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), ATTUNE_OK);
            p.expect_right();
        }
}

TEST(Workspace, IsAsDescribed) {
    FakeKernel fake(true);  // block_q 4, one strip; scratch 100 bytes, and 5 a key, keys in chunks of 8
    Problem p;              // 2 sequences of 4 heads, 2 key/value heads, 6 rows, 7 keys
    p.build();
    const size_t rows = 4 * 64, visits = 2 * 64 /* 1 chunk */ + 2 * 64, states = 2 * 64, scratch = 192 /* 100 + 5 * 8 = 140, rounded */;
    const size_t norms = 2 * 2 * 16 * 4, slot = rows + visits + states + scratch;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), norms + slot);
    p.exec.num_threads = 3;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), norms + 3 * slot);
    p.exec.num_threads = 1000;  // no more workers than the 2 * 4 * 2 blocks
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), norms + 16 * slot);
}

TEST(Workspace, GrowsWithTheChunks) {
    FakeKernel fake({.strips = 3, .has_mask = true});
    Problem p;
    p.batch = 1, p.heads = p.kv_heads = 1, p.keys = 5000;
    p.build();
    // 625 chunks of 2 tiles, each array rounded to 64: two lists of 4 words a chunk, two of a word, first keys and 3 states a tile.
    const size_t slot = 4 * 64 + 2 * 10048 + 2 * 2560 + 5056 + 3776 + 25152;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), slot);
    script->visible = p.visible = [](const Pair &pair) { return (pair.kv + pair.q) % 3 != 0; };
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK);  // the sanitizer sees to it that all of it fits
    p.expect_right();
}

TEST(Workspace, IsRightForTheLongestSequence) {
    FakeKernel fake({.strips = 3, .has_mask = true});
    Problem p;
    p.batch = 1, p.heads = p.kv_heads = 1;
    p.build();
    p.args.seq_len_kv = int64_t{1} << 28;
    p.args.stride_key[2] = p.args.stride_value[2] = 0;
    const size_t chunks = size_t{1} << 25, tiles = 2 * chunks;
    const size_t slot = 4 * 64 + 2 * (16 * chunks) + 2 * (4 * chunks) + 4 * tiles + 3 * tiles + 5 * 8 * chunks + 128;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), slot);
    p.args.seq_len_kv++;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), 0u);
}

TEST(Workspace, IsThatOfTheLongestPackedSequence) {
    FakeKernel fake;
    Problem longest, packed;
    longest.batch = 1, longest.keys = 4000;
    longest.build();
    packed.batch = 3, packed.rows = 6, packed.keys = 6000, packed.cu_q = {0, 2, 4, 6}, packed.cu_kv = {0, 1000, 5000, 6000};
    packed.build();
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &packed.args), attune_kernel_workspace_size(&fake.kernel, &longest.args));
}

TEST(Workspace, DoesNotDependOnLengthsOrPointers) {
    FakeKernel fake(true);
    Problem p;
    p.build();
    const size_t needed = attune_kernel_workspace_size(&fake.kernel, &p.args);
    const int32_t lengths[] = {1, 2};
    p.args.lengths_q = p.args.lengths_kv = lengths;
    p.args.query = p.args.key = p.args.value = nullptr;
    p.args.output = nullptr;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), needed);
}

TEST(Workspace, ThreadsAreLimited) {
    FakeKernel fake;
    Problem p;
    p.rows = 100000;
    p.build();
    p.exec.num_threads = 1;
    const size_t one = attune_kernel_workspace_size(&fake.kernel, &p.args);
    p.exec.num_threads = INT32_MAX;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), 1024 * one);
}

TEST(Workspace, IsZeroForArgsInError) {
    FakeKernel fake;
    Problem p;
    p.build();
    p.args.num_heads = 3;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), 0u);
    EXPECT_NE(std::string(attune_last_error()).find("num_heads is 3"), std::string::npos);
}

}  // namespace

#include "problem.h"

#include <gtest/gtest.h>

namespace {

TEST(Workspace, OneByteLessIsRefused) {
    for (bool has_fixed : {false, true})
        for (int threads : {1, 3, 100}) {
            FakeKernel fake(has_fixed);
            Problem p;
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
    FakeKernel fake(true);  // block_q 4; scratch 100 bytes, and 5 a key, keys in blocks of 8
    Problem p;              // 2 sequences of 4 heads, 2 key/value heads, 6 rows, 7 keys
    p.build();
    const size_t bounds = 2 * 2 * 16 * 4, slot = 4 * 64 + 192 /* 100 + 5 * 8 = 140, rounded */;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), bounds + slot);
    p.exec.num_threads = 3;
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), bounds + 3 * slot);
    p.exec.num_threads = 1000;  // no more workers than the 2 * 4 * 2 blocks
    EXPECT_EQ(attune_kernel_workspace_size(&fake.kernel, &p.args), bounds + 16 * slot);
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

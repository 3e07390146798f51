/// Which target runs. A kernel keeps its choice, so each test makes a new one; the environment is read at the choice.
#include "problem.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace {

constexpr uint32_t no_cpu_has_this = 1u << 30;

class Dispatch : public testing::Test {
protected:
    FakeKernel fake;
    Problem problem;

    Dispatch() {
        attune_kernel_variant best = fake.variants[0], middle = best, base = best;
        best.target = "avx512", best.features = no_cpu_has_this;
        middle.target = "avx2";
        base.target = "sse41";
        fake.variants = {best, middle, base};
        fake.refresh();
        problem.build();
    }
    ~Dispatch() override {
        unsetenv("ATTUNE_FORCE_TARGET");
        unsetenv("ATTUNE_VERBOSE");
    }
    std::string error_of_run() {
        EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_UNSUPPORTED_CPU);
        problem.expect_untouched();
        return attune_last_error();
    }
};

TEST_F(Dispatch, TakesTheFirstThatRuns) {
    EXPECT_STREQ(attune_kernel_target(&fake.kernel), "avx2");
    EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_OK);
}

TEST_F(Dispatch, ForcesATarget) {
    setenv("ATTUNE_FORCE_TARGET", "sse41", 1);
    EXPECT_STREQ(attune_kernel_target(&fake.kernel), "sse41");
}

TEST_F(Dispatch, KeepsItsChoice) {
    EXPECT_STREQ(attune_kernel_target(&fake.kernel), "avx2");
    setenv("ATTUNE_FORCE_TARGET", "sse41", 1);
    EXPECT_STREQ(attune_kernel_target(&fake.kernel), "avx2");
}

TEST_F(Dispatch, TreatsAutoAndNothingAsUnset) {
    setenv("ATTUNE_FORCE_TARGET", "auto", 1);
    EXPECT_STREQ(attune_kernel_target(&fake.kernel), "avx2");
    fake.refresh();
    setenv("ATTUNE_FORCE_TARGET", "", 1);
    EXPECT_STREQ(attune_kernel_target(&fake.kernel), "avx2");
}

TEST_F(Dispatch, RefusesAForcedTargetThatTheCpuLacks) {
    setenv("ATTUNE_FORCE_TARGET", "avx512", 1);
    EXPECT_EQ(attune_kernel_target(&fake.kernel), nullptr);
    EXPECT_EQ(error_of_run(), "attune: ATTUNE_FORCE_TARGET is avx512 but this CPU lacks a feature that this runtime does not know; unset "
                              "it or use one of: avx2, sse41");
}

TEST_F(Dispatch, RefusesAForcedTargetThatTheKernelLacks) {
    setenv("ATTUNE_FORCE_TARGET", "amx", 1);
    EXPECT_EQ(error_of_run(), "attune: ATTUNE_FORCE_TARGET is amx but kernel fake has only avx512, avx2, sse41; unset it or generate the "
                              "kernel with TARGETS amx");
}

TEST_F(Dispatch, RecoversFromARefusedTarget) {
    setenv("ATTUNE_FORCE_TARGET", "amx", 1);
    error_of_run();
    unsetenv("ATTUNE_FORCE_TARGET");
    EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_OK);
}

TEST_F(Dispatch, TellsItsChoiceOnceWhenAsked) {
    setenv("ATTUNE_VERBOSE", "1", 1);
    testing::internal::CaptureStderr();
    EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_OK);
    EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_OK);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "attune: fake runs avx2 (of avx512, avx2, sse41)\n");
}

TEST_F(Dispatch, IsSilentOtherwise) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_OK);
    setenv("ATTUNE_VERBOSE", "0", 1);
    fake.refresh();
    EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_OK);
    problem.args.batch = -1;
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &problem.args), ATTUNE_INVALID_ARGUMENT);
    EXPECT_EQ(testing::internal::GetCapturedStderr() + testing::internal::GetCapturedStdout(), "");
}

/// avx512, which runs nowhere, and two schedules of avx2: tasks of 2 positions for calls of at most 6 rows and 10 keys, else of 4.
class SchedulesOfATarget : public Dispatch {
protected:
    SchedulesOfATarget() {
        attune_kernel_variant first = fake.variants[1], second = first;
        first.schedule = "block_q=2", first.block_q = 2, first.most_seq_len_q = 6, first.most_seq_len_kv = 10;
        second.schedule = "block_q=4";
        fake.variants = {fake.variants[0], second, fake.variants[2]};
        fake.variants.reserve(4);
        fake.refresh();  // what the fake kernel checks, the second's blocks hold for the first too
        fake.variants.insert(fake.variants.begin() + 1, first);
        fake.kernel.variants = fake.variants.data();
        fake.kernel.num_variants = uint32_t(fake.variants.size());
    }
    /// Positions of a task that ran.
    int block_q_of_run(int64_t rows, int64_t keys) {
        Problem call;
        call.rows = rows, call.keys = keys;
        call.build();
        script->blocks.clear();
        EXPECT_EQ(call.run(&fake.kernel), ATTUNE_OK);
        call.expect_right();
        int second_block = 99;
        for (const auto &[b, h, q_begin] : script->blocks)
            if (q_begin > 0)
                second_block = std::min(second_block, q_begin);
        return second_block;
    }
};

TEST_F(SchedulesOfATarget, AreChosenByTheCallsSeqLens) {
    EXPECT_EQ(block_q_of_run(6, 10), 2);
    EXPECT_EQ(block_q_of_run(7, 10), 4);
    EXPECT_EQ(block_q_of_run(6, 11), 4);
    EXPECT_EQ(block_q_of_run(5, 1), 2);
    EXPECT_STREQ(attune_kernel_target(&fake.kernel), "avx2");
}

TEST_F(SchedulesOfATarget, AreAnnounced) {
    EXPECT_STREQ(attune_kernel_schedule(&fake.kernel, 6, 10), "block_q=2");
    EXPECT_STREQ(attune_kernel_schedule(&fake.kernel, 7, 10), "block_q=4");
    EXPECT_STREQ(attune_kernel_schedule(&fake.kernel, 6, 11), "block_q=4");
    fake.kernel.chosen = nullptr;
    for (auto &v : fake.variants)
        v.features = no_cpu_has_this;
    EXPECT_EQ(attune_kernel_schedule(&fake.kernel, 6, 10), nullptr);
}

TEST_F(SchedulesOfATarget, AreToldWhenAsked) {
    setenv("ATTUNE_VERBOSE", "2", 1);
    testing::internal::CaptureStderr();
    block_q_of_run(6, 7);
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_EQ(told.rfind("attune: fake runs avx2 (of avx512, avx2, sse41)\n"
                         "attune:   where seq_len_q <= 6 and seq_len_kv <= 10: block_q=2\n"
                         "attune:   otherwise: block_q=4\n"
                         "attune: fake with seq_len_q 6, seq_len_kv 7 runs avx2: block_q=2\n",
                         0),
              0u)
        << told;
}

TEST_F(SchedulesOfATarget, OfADamagedTableAreRefused) {
    const auto refused = [&](const char *what) {
        fake.kernel.chosen = nullptr;
        EXPECT_EQ(problem.run(&fake.kernel), ATTUNE_INTERNAL) << what;
        EXPECT_NE(std::string(attune_last_error()).find("damaged table for avx2"), std::string::npos) << what;
        problem.expect_untouched();
    };
    fake.variants[2].most_seq_len_q = 100;
    refused("no schedule for longer calls");
    fake.variants[2].most_seq_len_q = 0;
    fake.variants[1].most_seq_len_q = fake.variants[1].most_seq_len_kv = 0;
    refused("two for all calls");
    fake.variants[1].most_seq_len_q = -6;
    refused("a negative bound");
    fake.variants[1].most_seq_len_q = 6;
    fake.variants[1].tile_kv = 0;
    refused("a schedule that no call has taken yet");
}

TEST_F(Dispatch, DetectsWhatTheCompilerDetects) {
    const struct {
        uint32_t bit;
        bool expected;
    } features[] = {
        {ATTUNE_CPU_SSE41, bool(__builtin_cpu_supports("sse4.1"))},
        {ATTUNE_CPU_AVX2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")},
        {ATTUNE_CPU_AVX512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")},
    };
    for (const auto &f : features) {
        for (auto &v : fake.variants)
            v.features = f.bit;
        fake.refresh();
        EXPECT_EQ(attune_kernel_target(&fake.kernel) != nullptr, f.expected) << "bit " << f.bit;
    }
}

}  // namespace

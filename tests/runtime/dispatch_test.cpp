/// Which target runs. A kernel keeps its choice, so each test makes a new one; the environment is read at the choice.
#include "problem.h"

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

// The tests' own harness: it must see what it is there to see.
#include "tests/support/guarded_array.h"
#include "tests/support/kernel_case.h"
#include "tests/support/masks.h"

#include <gtest/gtest-spi.h>

namespace attune::test {
namespace {

const ShapeCase shape = {"tails", 2, 2, 1, 21, 43};

class Harness : public testing::Test {
protected:
    static inline const LoadedKernel *kernel = nullptr;
    static void SetUpTestSuite() {
        kernel = &kernel_for(make_spec(DType::f32, 8, 4, "none", Algorithm::online), *available_targets().front());
    }
    static inline ReferenceProblem problem;
    static inline KernelResult result;
    void SetUp() override {
        problem = make_problem(kernel->plan().spec, shape);
        result = run_kernel(*kernel, problem, shape);
    }
};

TEST_F(Harness, AcceptsARightResult) { expect_right(*kernel, problem, shape, result); }

TEST_F(Harness, SeesOneElementThatIsOff) {
    result.output[100] *= 1 + 1e-4;
    EXPECT_NONFATAL_FAILURE(expect_right(*kernel, problem, shape, result), "worst at (batch 0, head 1, row 4) d 0");
}

TEST_F(Harness, SeesAnLseThatIsOff) {
    result.lse[30] += 1e-3f;
    EXPECT_NONFATAL_FAILURE(expect_right(*kernel, problem, shape, result), "lse at (batch 0, head 1, row 9)");
}

TEST_F(Harness, SeesAWrongMask) {
    problem.visible = visible_causal;
    EXPECT_NONFATAL_FAILURE(expect_right(*kernel, problem, shape, result), "outside the bound");
}

TEST_F(Harness, SeesAWrongScale) {
    problem.softmax_scale *= 1.01;
    EXPECT_NONFATAL_FAILURE(expect_right(*kernel, problem, shape, result), "outside the bound");
}

TEST_F(Harness, SeesAWrongLength) {
    problem.lengths_kv = {43, 42};
    EXPECT_NONFATAL_FAILURE(expect_right(*kernel, problem, shape, result), "outside the bound");
}

TEST(HarnessOfParams, SeesAWrongArgumentAndAWrongPair) {
    const AttentionSpec spec = make_spec(DType::f32, 8, 4, 2, {.mask = "window(w)", .params = "w: i32", .outputs = "out,lse,logits"});
    static const LoadedKernel *kernel;
    kernel = &kernel_for(spec, *available_targets().front());
    static ReferenceProblem right, wrong;
    right = make_problem(spec, shape, InputKind::normal, 1, make_params(spec, shape, 1, {{"w", 5}}));
    wrong = make_problem(spec, shape, InputKind::normal, 1, make_params(spec, shape, 1, {{"w", 6}}));
    static KernelResult result;
    result = run_kernel(*kernel, right, shape, {.params = make_params(spec, shape, 1, {{"w", 5}})});
    expect_right(*kernel, right, shape, result);
    EXPECT_NONFATAL_FAILURE(expect_right(*kernel, wrong, shape, result), "outside the bound");
    result.pairs[43 * 20 + 42] += 1e-3;  // its own key: 20 + 43 - 21
    EXPECT_NONFATAL_FAILURE(expect_right(*kernel, right, shape, result), "of pairs");
}

TEST_F(Harness, SeesOneBit) {
    static KernelResult other;
    other = result;
    other.output_bits[5] ^= 1;
    EXPECT_FATAL_FAILURE(expect_same_bits(problem, other, result, "context"), "row 1");
    other = result;
    other.lse[3] = -other.lse[3];
    EXPECT_FATAL_FAILURE(expect_same_bits(problem, other, result, "context"), "lse at (batch 0, head 0, row 3)");
}

TEST(GuardedArrays, SeeAWriteOnEitherSide) {
    GuardedArray array(10, 4, 0x5a5a5a5a, GuardedArray::Ends::with_guard);
    EXPECT_TRUE(array.guards_hold());
    array.set(9, 1);
    array.set(0, 1);
    EXPECT_TRUE(array.guards_hold());
    EXPECT_FALSE(array.holds_only(0x5a5a5a5a));
    array.set(10, 1);
    EXPECT_FALSE(array.guards_hold());
    array.set(10, 0x5a5a5a5a);
    array.set(-1, 1);
    EXPECT_FALSE(array.guards_hold());
}

TEST(GuardedArraysDeathTest, EndAtAPageThatNobodyMayRead) {
    GuardedArray array(10, 2, 0);
    EXPECT_EQ(array.get(9), 0u);
    [[maybe_unused]] volatile uint32_t read = 0;  // so that the compiler keeps it
    EXPECT_DEATH(read = array.get(10), "");
    array.protect();
    EXPECT_DEATH(array.set(3, 1), "");
}

}  // namespace
}  // namespace attune::test

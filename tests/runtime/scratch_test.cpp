#include "attune/kernel.h"

#include <gtest/gtest.h>

namespace {

struct Scratch : testing::Test {
    alignas(64) uint8_t memory[1000];
    attune_scratch scratch{memory, sizeof memory, 0, nullptr};
};

TEST_F(Scratch, GivesAlignedBlocksAndTakesThemBackInReverse) {
    void *a = attune_malloc(&scratch, 1), *b = attune_malloc(&scratch, 100), *c = attune_malloc(&scratch, 64);
    EXPECT_EQ(a, memory);
    EXPECT_EQ(b, memory + 128);  // each block has a line of its own after it
    EXPECT_EQ(c, memory + 320);
    attune_free(&scratch, c);
    EXPECT_EQ(attune_malloc(&scratch, 1), c);
    attune_free(&scratch, c);
    attune_free(&scratch, b);
    attune_free(&scratch, a);
    attune_free(&scratch, nullptr);
    EXPECT_EQ(scratch.used, 0u);
}

// Halide frees key and value of a chunk in the order it made them: a loop must not use the scratch up.
TEST_F(Scratch, KeepsABlockUntilThoseAboveItAreFreedToo) {
    void *outer = attune_malloc(&scratch, 64);
    for (int turn = 0; turn < 100; turn++) {
        void *key = attune_malloc(&scratch, 200), *value = attune_malloc(&scratch, 200);
        ASSERT_NE(value, nullptr) << turn;
        attune_free(&scratch, key);
        EXPECT_NE(attune_malloc(&scratch, 0), key);
        attune_free(&scratch, value);
        scratch.used = 128;  // the block of no bytes
    }
    attune_free(&scratch, outer);
    EXPECT_EQ(scratch.used, 0u);
}

TEST_F(Scratch, IsNullWhenUsedUp) {
    EXPECT_EQ(attune_malloc(&scratch, 960), nullptr);  // no room for the footer
    EXPECT_NE(attune_malloc(&scratch, 896), nullptr);
    EXPECT_EQ(attune_malloc(&scratch, 1), nullptr);  // 40 are left, which is no block
    EXPECT_EQ(attune_malloc(&scratch, SIZE_MAX), nullptr);
    EXPECT_EQ(scratch.used, 960u);
}

}  // namespace

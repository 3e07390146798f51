#include "attune/kernel.h"

#include <gtest/gtest.h>

namespace {

struct Scratch : testing::Test {
    alignas(64) uint8_t memory[1000];
    attune_scratch scratch{memory, sizeof memory, 0};
};

TEST_F(Scratch, GivesAlignedBlocksAndTakesThemBackInReverse) {
    void *a = attune_malloc(&scratch, 1), *b = attune_malloc(&scratch, 100), *c = attune_malloc(&scratch, 64);
    EXPECT_EQ(a, memory);
    EXPECT_EQ(b, memory + 64);
    EXPECT_EQ(c, memory + 192);
    attune_free(&scratch, c);
    EXPECT_EQ(attune_malloc(&scratch, 1), c);
    attune_free(&scratch, c);
    attune_free(&scratch, b);
    attune_free(&scratch, a);
    attune_free(&scratch, nullptr);
    EXPECT_EQ(scratch.used, 0u);
}

TEST_F(Scratch, IsNullWhenUsedUp) {
    EXPECT_NE(attune_malloc(&scratch, 960), nullptr);
    EXPECT_EQ(attune_malloc(&scratch, 1), nullptr);  // 40 are left, which is no block
    EXPECT_EQ(attune_malloc(&scratch, SIZE_MAX), nullptr);
    EXPECT_EQ(scratch.used, 960u);
}

}  // namespace

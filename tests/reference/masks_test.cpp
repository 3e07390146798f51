#include "generator/reference/masks.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

std::string picture(Mask mask, int64_t seq_len_q, int64_t seq_len_kv) {
    const VisibleFunction visible = visible_function(mask);
    std::string out;
    for (int64_t q = 0; q < seq_len_q; q++) {
        for (int64_t kv = 0; kv < seq_len_kv; kv++) out += !visible || visible(0, 0, q, kv, seq_len_q, seq_len_kv) ? '#' : '.';
        out += '\n';
    }
    return out;
}

TEST(Masks, NoneIsTheEmptyFunction) { EXPECT_FALSE(visible_function(Mask::none)); }
TEST(Masks, CausalSquare) { EXPECT_EQ(picture(Mask::causal, 3, 3), "#..\n##.\n###\n"); }
TEST(Masks, CausalIsAlignedAtTheEnd) { EXPECT_EQ(picture(Mask::causal, 2, 4), "###.\n####\n"); }
TEST(Masks, CausalHidesEveryKeyFromRowsBeforeTheFirst) { EXPECT_EQ(picture(Mask::causal, 4, 2), "..\n..\n#.\n##\n"); }
TEST(Masks, CausalTopLeftIsAlignedAtTheStart) {
    EXPECT_EQ(picture(Mask::causal_top_left, 2, 4), "#...\n##..\n");
    EXPECT_EQ(picture(Mask::causal_top_left, 4, 2), "#.\n##\n##\n##\n");
}

}  // namespace
}  // namespace attune

#include "generator/cli/cost.h"
#include "generator/cli/mask_picture.h"

#include <gtest/gtest.h>

namespace attune::cli {
namespace {

/// The masks by their definition (design: the specification), one pair at a time.
bool visible(Mask mask, int64_t q, int64_t kv, int64_t seq_len_q, int64_t seq_len_kv) {
    if (mask == Mask::causal)
        return kv <= q + seq_len_kv - seq_len_q;
    if (mask == Mask::causal_top_left)
        return kv <= q;
    return true;
}

TEST(MaskPicture, AgreesWithEveryPairOfSmallSizes) {
    for (Mask mask : {Mask::none, Mask::causal, Mask::causal_top_left})
        for (int64_t sq = 0; sq <= 9; sq++)
            for (int64_t skv = 0; skv <= 9; skv++) {
                int64_t pairs = 0;
                for (int64_t q = 0; q < sq; q++) {
                    int64_t row = 0;
                    for (int64_t kv = 0; kv < skv; kv++)
                        row += visible(mask, q, kv, sq, skv);
                    ASSERT_EQ(visible_keys(mask, q, sq, skv), row) << mask_name(mask) << " sq " << sq << " skv " << skv << " q " << q;
                    pairs += row;
                }
                ASSERT_EQ(visible_pairs(mask, sq, skv), pairs) << mask_name(mask) << " sq " << sq << " skv " << skv;

                const int64_t block_q = 3, block_kv = 2;
                const MaskPicture picture = mask_picture(mask, sq, skv, block_q, block_kv, 100, 100);
                int64_t counts[3] = {};
                for (int64_t q0 = 0; q0 < sq; q0 += block_q)
                    for (int64_t k0 = 0; k0 < skv; k0 += block_kv) {
                        int64_t seen = 0, all = 0;
                        for (int64_t q = q0; q < std::min(q0 + block_q, sq); q++)
                            for (int64_t kv = k0; kv < std::min(k0 + block_kv, skv); kv++, all++)
                                seen += visible(mask, q, kv, sq, skv);
                        const BlockKind kind = seen == 0 ? BlockKind::empty : seen == all ? BlockKind::full : BlockKind::partial;
                        counts[static_cast<int>(kind)]++;
                        ASSERT_EQ(picture.cells[q0 / block_q][k0 / block_kv], kind)
                            << mask_name(mask) << " sq " << sq << " skv " << skv << " at " << q0 << ", " << k0;
                    }
                ASSERT_EQ(picture.empty, counts[0]);
                ASSERT_EQ(picture.partial, counts[1]);
                ASSERT_EQ(picture.full, counts[2]);
            }
}

TEST(MaskPicture, LargeCountsDoNotOverflow) {
    const int64_t n = 1 << 20;
    EXPECT_EQ(visible_pairs(Mask::causal, n, n), n * (n + 1) / 2);
    EXPECT_EQ(visible_pairs(Mask::causal, 1, n), n);
    EXPECT_EQ(visible_pairs(Mask::causal_top_left, 1, n), 1);
}

TEST(MaskPicture, DrawsOneCharacterABlock) {
    const auto rows = picture_rows(mask_picture(Mask::causal, 4, 6, 2, 2, 32, 64));
    EXPECT_EQ(rows, (std::vector<std::string>{"█▒·", "██▒"}));
}

TEST(MaskPicture, StaysWithinItsLimits) {
    for (int64_t n : {1, 31, 32, 33, 64, 65, 1000, 100000}) {
        const MaskPicture picture = mask_picture(Mask::causal, n, n, 1, 1, 32, 64);
        EXPECT_LE(picture.cells.size(), 32u) << n;
        EXPECT_LE(picture.cells[0].size(), 64u) << n;
        EXPECT_EQ(picture.full + picture.partial + picture.empty, n * n) << n;
    }
}

TEST(MaskPicture, NothingToDrawIsNoError) {
    EXPECT_NE(picture_text(mask_picture(Mask::causal, 0, 5, 8, 8, 32, 64)).find("no query or no key"), std::string::npos);
    EXPECT_NE(picture_svg(mask_picture(Mask::none, 5, 0, 8, 8, 32, 64), "a < b").find("a &lt; b"), std::string::npos);
}

TEST(Cost, FollowsTheFormulas) {
    AttentionSpec spec;
    spec.dtype = DType::f16;
    spec.head_dim = 32;
    spec.head_dim_v = 16;
    spec.mask = Mask::causal;
    const Cost cost = call_cost(spec, {2, 6, 3, 4, 5});
    EXPECT_EQ(cost.visible_pairs, 2 * 6 * (2 + 3 + 4 + 5));
    EXPECT_EQ(cost.flops, 2 * cost.visible_pairs * 48);
    EXPECT_EQ(cost.bytes, (2 * 6 * 4 + 2 * 3 * 5) * 48 * 2 + 2 * 6 * 4 * 4);
}

}  // namespace
}  // namespace attune::cli

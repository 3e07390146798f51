#include "generator/plan/block_map.h"
#include "tests/plan/plan_check.h"
#include "tests/plan/random_masks.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace attune::test {
namespace {

/// A map of random masks, small cells and all, against the pairs one by one and the blocks one by one.
TEST(BlockMap, AgreesWithEveryPairAndEveryBlock) {
    Random random(23);
    RandomMasks masks(random);
    for (int i = 0; i < 400; i++) {
        const Expression e = masks.parsed(static_cast<int>(random.between(0, 3)));
        const int64_t seq_len_q = random.between(1, 80), seq_len_kv = random.between(1, 80);
        const std::vector<ParamValue> values = masks.values(2, 4, seq_len_kv);
        const MaskOfCall mask{e.root, RandomMasks::params(), values};
        const HeadPairs head{random.between(0, 1), random.between(0, 3), random.between(0, 1), seq_len_q, seq_len_kv};
        Bindings bindings;
        bindings[Variable::b] = head.b;
        bindings[Variable::h] = head.h;
        bindings[Variable::hkv] = head.hkv;
        bindings[Variable::seq_len_q] = seq_len_q;
        bindings[Variable::seq_len_kv] = seq_len_kv;
        Program program({e.root});
        const PairCounts pairs(seq_len_q, seq_len_kv, [&](int64_t q, int64_t kv) {
            bindings[Variable::q] = q;
            bindings[Variable::kv] = kv;
            return program.run(bindings, values)[0].integer != 0;
        });
        const int64_t visible = pairs.count(0, seq_len_q - 1, 0, seq_len_kv - 1);
        EXPECT_EQ(count_visible_pairs(mask, head), visible) << e.text;

        const int64_t block_q = random.between(1, 20), block_kv = random.between(1, 20);
        const BlockMap map = map_blocks(mask, head, block_q, block_kv, 1000, 1000);
        EXPECT_EQ(map.visible_pairs, visible) << e.text;
        PlanValues plan(plan_blocks(e.root, RandomMasks::params()), values);
        const Sequence s{head.b, head.hkv, seq_len_q, seq_len_kv};
        plan.set(s, head.h, head.h);
        std::string problem;
        const BlockCounts counts = check_blocks(plan, pairs, pairs, s, block_q, block_kv, problem);
        EXPECT_EQ(map.needed, counts.needed) << e.text;
        EXPECT_EQ(map.full, counts.called_full) << e.text;
        EXPECT_EQ(map.visited(), counts.visited) << e.text;
        int64_t computed = 0;
        for (int64_t q0 = 0; q0 < seq_len_q; q0 += block_q)
            for (int64_t k0 = 0; k0 < seq_len_kv; k0 += block_kv) {
                const int64_t q1 = std::min(q0 + block_q, seq_len_q) - 1, k1 = std::min(k0 + block_kv, seq_len_kv) - 1;
                plan.rows(q0, q1);
                const auto [some, all] = plan.block(k0, k1);
                const BlockKind kind = all ? BlockKind::full : some && plan.in_ranges(k0, k1) ? BlockKind::partial : BlockKind::skipped;
                computed += kind == BlockKind::skipped ? 0 : (q1 - q0 + 1) * (k1 - k0 + 1);
                ASSERT_EQ(map.cells[static_cast<size_t>(q0 / block_q)][static_cast<size_t>(k0 / block_kv)], kind) << e.text;
            }
        EXPECT_EQ(map.computed_pairs, computed) << e.text;
        RowBlocks sum;
        for (int64_t q0 = 0; q0 < seq_len_q; q0 += block_q) {
            const RowBlocks row = map_row_blocks(mask, head, q0, block_q, block_kv);
            sum.full += row.full;
            sum.partial += row.partial;
            sum.skipped += row.skipped;
        }
        EXPECT_EQ(sum.full, map.full) << e.text;
        EXPECT_EQ(sum.partial, map.partial) << e.text;
        EXPECT_EQ(sum.skipped, map.skipped) << e.text;
    }
}

TEST(BlockMap, CountsLongSequencesWithoutVisitingThem) {
    const int64_t n = 1 << 20;
    const Expression causal = parse("causal", {});
    const MaskOfCall mask{causal.root, {}, {}};
    EXPECT_EQ(count_visible_pairs(mask, {0, 0, 0, n, n}), n * (n + 1) / 2);
    const BlockMap map = map_blocks(mask, {0, 0, 0, n, n}, 48, 64, 32, 64);
    EXPECT_EQ(map.visible_pairs, n * (n + 1) / 2);
    EXPECT_EQ(map.cells.size(), 32u);
    EXPECT_EQ(map.cells[0].size(), 64u);
    EXPECT_EQ(map.tightness(), 1);
    EXPECT_GT(map.useful_share(), 0.9999);
}

TEST(BlockMap, OfNoMaskIsFull) {
    const MaskOfCall mask{nullptr, {}, {}};
    const BlockMap map = map_blocks(mask, {0, 0, 0, 100, 50}, 48, 64, 32, 64);
    EXPECT_EQ(map.full, 3);
    EXPECT_EQ(map.visible_pairs, 5000);
    EXPECT_EQ(map.useful_share(), 1);
    EXPECT_EQ(map.density(), 1);
}

TEST(BlockMap, OfNothingIsEmpty) {
    const MaskOfCall mask{nullptr, {}, {}};
    EXPECT_EQ(map_blocks(mask, {0, 0, 0, 0, 50}, 48, 64, 32, 64).cells.size(), 0u);
    EXPECT_EQ(count_visible_pairs(mask, {0, 0, 0, 5, 0}), 0);
}

TEST(BlockMap, SharesCellsAmongBlocks) {
    const Expression causal = parse("causal", {});
    const MaskOfCall mask{causal.root, {}, {}};
    const BlockMap map = map_blocks(mask, {0, 0, 0, 8, 8}, 1, 1, 4, 4);
    EXPECT_EQ(map.blocks_a_cell_q, 2);
    EXPECT_EQ(map.full, 36);  // blocks of one pair
    EXPECT_EQ(map.skipped, 28);
    EXPECT_EQ(map.cells[1], (std::vector<BlockKind>{BlockKind::full, BlockKind::partial, BlockKind::skipped, BlockKind::skipped}));
}

}  // namespace
}  // namespace attune::test

/// Which chunks and tiles of keys a block is told to visit. The fake kernels compute with nothing else, and check each list's form.
#include "problem.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace {

using Ranges = std::vector<std::pair<int, int>>;

/// State of a strip in the list of partial visits: tiles first .. end - 1.
constexpr int32_t tiles(int first, int end, int flags = 0) {
    return 1 | flags | first << ATTUNE_VISIT_FIRST_SHIFT | end << ATTUNE_VISIT_END_SHIFT;
}

// ---- any mask gives the equation's answer

struct MaskCase {
    const char *name;
    Mask visible;
};

const MaskCase masks[] = {
    {"all", [](const Pair &) { return true; }},
    {"none", [](const Pair &) { return false; }},
    {"causal", is_causal},
    {"window", [](const Pair &p) { return std::abs(p.q + p.seq_len_kv - p.seq_len_q - p.kv) <= 5; }},
    {"two_islands", [](const Pair &p) { return p.kv < 3 || (p.kv >= 21 && p.kv < 27); }},
    {"last_key", [](const Pair &p) { return p.kv == p.seq_len_kv - 1; }},
    {"one_row", [](const Pair &p) { return p.q == 5; }},
    {"heads_differ", [](const Pair &p) { return p.h % 3 == 0 ? is_causal(p) : p.h % 3 == 1 && p.kv / 8 % 2 == p.b; }},
    {"whole_chunks_by_strip", [](const Pair &p) { return (p.q / 2 + p.kv / 8) % 2 == 0; }},
    {"scattered", [](const Pair &p) { return (p.q * 7919 + p.kv * 104729 + p.h * 31 + p.b) % 11 < 3; }},
};

/// Ranges that hold all that the block sees: one for each run of visible keys, the last of them to the end of the last run.
Ranges ranges_of(const Mask &visible, int fold, size_t most, const RowBlock &block) {
    Ranges ranges;
    for (int kv = 0; kv < block.seq_len_kv; kv++) {
        bool some = false;
        for (int q = block.q_begin; q < block.q_begin + block.num_positions; q++)
            for (int h = block.h; h < block.h + fold; h++)
                some = some || visible({block.b, h, q, kv, block.seq_len_q, block.seq_len_kv});
        if (!some)
            continue;
        if (!ranges.empty() && (ranges.back().second == kv - 1 || ranges.size() == most))
            ranges.back().second = kv;
        else
            ranges.emplace_back(kv, kv);
    }
    return ranges;
}

class Masks : public testing::TestWithParam<std::tuple<MaskCase, int /* fold */, int /* strips */, bool /* fixed */>> {};

TEST_P(Masks, FollowTheEquation) {
    const auto &[mask, fold, strips, has_fixed] = GetParam();
    for (bool exact_splits : {false, true})
        for (int num_ranges : {0, 1, 3})
            for (bool coarse : {false, true})
                for (bool packed : {false, true}) {
                    SCOPED_TRACE(testing::Message() << "exact_splits " << exact_splits << ", num_ranges " << num_ranges << ", coarse "
                                                    << coarse << ", packed " << packed);
                    FakeKernel fake({.has_fixed = has_fixed,
                                     .fold = fold,
                                     .strips = strips,
                                     .exact_splits = exact_splits,
                                     .has_mask = true,
                                     .num_ranges = num_ranges});
                    script->visible = mask.visible;
                    script->coarse = coarse;
                    script->row_class = [](int b, int h, int q) { return (b + h + q) % 3 == 0 ? ATTUNE_ROW_ONLINE : ATTUNE_ROW_FIXED; };
                    script->guard_holds = [](int b, int h, int q) { return (b + h + q) % 3 != 1; };
                    script->ranges = [&](const RowBlock &block) { return ranges_of(mask.visible, fold, num_ranges, block); };
                    Problem p;
                    p.heads = 6, p.kv_heads = 2, p.rows = 14, p.keys = 45, p.pad = 1;
                    if (packed)
                        p.batch = 3, p.cu_q = {0, 9, 9, 14}, p.cu_kv = {0, 31, 40, 45};
                    else
                        p.lengths_q = {14, 7}, p.lengths_kv = {45, 32};
                    p.visible = mask.visible;
                    p.build();
                    p.exec.num_threads = 2;
                    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
                    p.expect_right();
                }
}

std::string name_of(const testing::TestParamInfo<Masks::ParamType> &info) {
    const auto &[mask, fold, strips, has_fixed] = info.param;
    return std::string(mask.name) + "_fold" + std::to_string(fold) + "_strips" + std::to_string(strips) + (has_fixed ? "_fixed" : "_exact");
}

INSTANTIATE_TEST_SUITE_P(Runtime, Masks,
                         testing::Combine(testing::ValuesIn(masks), testing::Values(1, 3), testing::Values(1, 3), testing::Bool()),
                         name_of);

// ---- the lists themselves

/// Runs one sequence and head, and gives the lists of the block that starts at q_begin.
class Lists : public testing::Test {
protected:
    Problem p;
    Lists() { p.batch = p.heads = p.kv_heads = 1, p.rows = p.keys = 16; }
    std::pair<Visits, Visits> of_block(FakeKernel &fake, int q_begin) {
        p.visible = script->visible;
        p.build();
        EXPECT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
        p.expect_right();
        return script->visits[{0, 0, q_begin}];
    }
    std::pair<Visits, Visits> lists(Visits full, Visits partial) { return {full, partial}; }
};

TEST_F(Lists, SplitWholeChunksFromCutOnes) {
    FakeKernel fake({.exact_splits = true, .has_mask = true});
    script->visible = is_causal;
    EXPECT_EQ(of_block(fake, 0), lists({}, {{0, tiles(0, 1)}}));
    EXPECT_EQ(of_block(fake, 4), lists({}, {{0, tiles(0, 2)}}));
    EXPECT_EQ(of_block(fake, 8), lists({{0, 1}}, {{1, tiles(0, 1)}}));
    EXPECT_EQ(of_block(fake, 12), lists({{0, 1}}, {{1, tiles(0, 2)}}));
}

TEST_F(Lists, HoldAllAsPartialForFunctionsOfOneList) {
    FakeKernel fake({.has_mask = true});
    script->visible = is_causal;
    EXPECT_EQ(of_block(fake, 12), lists({}, {{0, tiles(0, 2, ATTUNE_VISIT_UNMASKED)}, {1, tiles(0, 2)}}));
}

TEST_F(Lists, OfExactAfterFixedAreMadeAgain) {
    FakeKernel fake({.has_fixed = true, .has_mask = true});
    script->visible = is_causal;
    EXPECT_EQ(of_block(fake, 12), lists({{0, 1}}, {{1, tiles(0, 2)}}));  // `fixed` was the last to be called
    script->guard_holds = [](int, int, int q) { return q != 13; };
    EXPECT_EQ(of_block(fake, 12), lists({}, {{0, tiles(0, 2, ATTUNE_VISIT_UNMASKED)}, {1, tiles(0, 2)}}));
}

TEST_F(Lists, TellStripsApart) {
    FakeKernel fake({.strips = 2, .exact_splits = true, .has_mask = true});  // strips of 3 rows: the second holds one
    script->visible = [](const Pair &pair) { return pair.q == 3 ? pair.kv < 8 || pair.kv >= 12 : pair.kv >= 8; };
    // Chunk 0: hidden from the first strip, whole for the second. Chunk 1: whole for the first, its last tile for the second.
    EXPECT_EQ(of_block(fake, 0), lists({{0, 0, 1}, {1, 1, 0}}, {{1, 0, tiles(1, 2)}}));
}

TEST_F(Lists, StopAtTheSequencesEnd) {
    FakeKernel fake({.exact_splits = true});
    p.keys = 13;  // 8 + 4 + 1
    EXPECT_EQ(of_block(fake, 0), lists({{0, 1}}, {{1, tiles(0, 2)}}));
    p.keys = 12;  // no key in the last tile
    EXPECT_EQ(of_block(fake, 0), lists({{0, 1}}, {{1, tiles(0, 1)}}));
    p.keys = 8;
    EXPECT_EQ(of_block(fake, 0), lists({{0, 1}}, {}));
    p.keys = 1;
    EXPECT_EQ(of_block(fake, 0), lists({}, {{0, tiles(0, 1)}}));
}

TEST_F(Lists, AreEmptyWhereNothingIsSeen) {
    FakeKernel fake({.has_mask = true, .num_ranges = 1});
    script->visible = [](const Pair &) { return false; };
    script->ranges = [](const RowBlock &) { return Ranges{{0, -1}}; };
    EXPECT_EQ(of_block(fake, 0), lists({}, {}));
    EXPECT_EQ(script->states_asked.size(), 0u);
}

TEST_F(Lists, TakeRangesAsTheyCome) {
    FakeKernel fake({.has_mask = true, .num_ranges = 5});
    p.keys = 80;
    script->visible = [](const Pair &pair) { return pair.kv < 20 || (pair.kv >= 48 && pair.kv < 56) || pair.kv == 79; };
    // Not sorted, overlapping, the same twice, empty, one inside another, beyond both ends.
    for (const Ranges &ranges :
         {Ranges{{70, 5000}, {50, 55}, {-3, 4}, {3, 19}, {48, 50}}, Ranges{{0, 19}, {0, 19}, {60, 20}, {48, 99}, {79, 79}},
          Ranges{{INT32_MIN, INT32_MAX}}, Ranges{{56, 55}, {-9, -2}, {80, 90}, {0, 79}, {30, 40}}}) {
        script->ranges = [&](const RowBlock &) { return ranges; };
        const auto [full, partial] = of_block(fake, 0);
        EXPECT_EQ(full, Visits{});
        const int32_t whole = tiles(0, 2, ATTUNE_VISIT_UNMASKED);
        EXPECT_EQ(partial, (Visits{{0, whole}, {1, whole}, {2, tiles(0, 1)}, {6, whole}, {9, tiles(1, 2)}}));
    }
}

TEST_F(Lists, LeaveOutWhatNoRangeHolds) {
    FakeKernel fake({.has_mask = true, .num_ranges = 2});
    p.keys = 800;
    script->visible = [](const Pair &pair) { return pair.kv < 4 || pair.kv >= 792; };
    script->ranges = [](const RowBlock &) { return Ranges{{0, 3}, {792, 799}}; };
    of_block(fake, 0);
    // 4 blocks of rows, each: two chunks of the ranges; then the two tiles of the one that is not whole.
    std::vector<std::tuple<int, int, int>> want;
    for (int i = 0; i < 4; i++)
        want.insert(want.end(), {{1, 8, 2}, {1, 4, 2}});
    EXPECT_EQ(script->states_asked, want);
}

TEST_F(Lists, OfAMillionKeysHoldTheWindowOnly) {
    FakeKernel fake({.exact_splits = true, .has_mask = true, .num_ranges = 1});
    p.rows = 1, p.keys = 1 << 20;
    script->visible = [](const Pair &pair) { return pair.kv >= (1 << 20) - 12; };
    script->ranges = [](const RowBlock &block) { return Ranges{{block.seq_len_kv - 12, block.seq_len_kv}}; };
    EXPECT_EQ(of_block(fake, 0), lists({{(1 << 17) - 1, 1}}, {{(1 << 17) - 2, tiles(1, 2)}}));
    EXPECT_EQ(script->states_asked, (std::vector<std::tuple<int, int, int>>{{1, 8, 2}, {1, 4, 2}}));
}

TEST_F(Lists, AskAboutTilesOnlyWhereTheMaskDecides) {
    FakeKernel fake({.has_fixed = true, .has_mask = true});
    script->visible = [](const Pair &pair) { return pair.kv < 8; };
    of_block(fake, 0);
    EXPECT_EQ(script->states_asked, (std::vector<std::tuple<int, int, int>>(4, {1, 8, 2})));
}

TEST_F(Lists, OfAShortBlockKnowItsRows) {
    FakeKernel fake({.exact_splits = true, .has_mask = true});
    p.rows = 5;  // the second block has one row, which sees all but the last key
    script->visible = [](const Pair &pair) { return pair.kv < (pair.q == 4 ? 15 : 3); };
    EXPECT_EQ(of_block(fake, 4), lists({{0, 1}}, {{1, tiles(0, 2)}}));
}

}  // namespace

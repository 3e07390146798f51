/// Block masks: lists of key blocks for each block of rows, shared or of each head and sequence.
#include "problem.h"

#include <gtest/gtest.h>

namespace {

// ---- the helper

TEST(ListBlocks, ListsTheSetOnesOfEachRow) {
    const uint8_t mask[3 * 4] = {1, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0};
    std::vector<int32_t> offsets(4), columns(4, -1);
    EXPECT_EQ(attune_list_blocks(mask, 3, 4, 0, offsets.data(), columns.data()), 4);
    EXPECT_EQ(offsets, (std::vector<int32_t>{0, 3, 3, 4}));
    EXPECT_EQ(columns, (std::vector<int32_t>{0, 2, 3, 1}));
}

TEST(ListBlocks, CountsWithoutColumnsAndStartsWhereItIsTold) {
    const uint8_t mask[2 * 2] = {1, 0, 1, 1};
    std::vector<int32_t> offsets(3);
    EXPECT_EQ(attune_list_blocks(mask, 2, 2, 10, offsets.data(), nullptr), 3);
    EXPECT_EQ(offsets, (std::vector<int32_t>{10, 11, 13}));
    EXPECT_EQ(attune_list_blocks(mask, 0, 2, 7, offsets.data(), nullptr), 0);
    EXPECT_EQ(offsets[0], 7);
}

// ---- calls

constexpr int size_q = 4, size_kv = 16;  // two chunks a block

/// Lists of dense block masks made from `listed`, for each (sequence, head) or shared.
struct BlockLists {
    std::vector<int32_t> offsets, columns;
    std::vector<uint8_t> full;
    attune_block_mask mask{};
    using Rule = std::function<bool(int b, int h, int row, int column)>;

    /// Of 1 sequence or head where shared. `columns` of each sequence.
    BlockLists(int batch, int heads, int rows, const std::vector<int> &columns_of, const Rule &listed, const Rule &is_full = {}) {
        for (int b = 0; b < batch; b++)
            for (int h = 0; h < heads; h++) {
                const int num_columns = columns_of[b];
                std::vector<uint8_t> dense(rows * num_columns);
                for (int row = 0; row < rows; row++)
                    for (int column = 0; column < num_columns; column++) {
                        dense[row * num_columns + column] = listed(b, h, row, column);
                        if (listed(b, h, row, column))
                            full.push_back(is_full && is_full(b, h, row, column));
                    }
                std::vector<int32_t> own_offsets(rows + 1), own(dense.size());
                own.resize(attune_list_blocks(dense.data(), rows, num_columns, int32_t(columns.size()), own_offsets.data(), own.data()));
                offsets.insert(offsets.end(), own_offsets.begin(), own_offsets.end());
                columns.insert(columns.end(), own.begin(), own.end());
            }
        columns.reserve(1);  // not null where nothing is listed
        mask.row_offsets = offsets.data();
        mask.columns = columns.data();
        mask.full = is_full ? full.data() : nullptr;
        mask.stride_head = heads > 1 ? rows + 1 : 0;
        mask.stride_batch = batch > 1 ? int64_t(heads) * (rows + 1) : 0;
    }
};

struct ListCase {
    const char *name;
    bool per_batch, per_head, full_flags, has_mask;
};
class BlockMasks : public testing::TestWithParam<std::tuple<ListCase, bool /* fixed */, bool /* packed */>> {};

TEST_P(BlockMasks, FollowTheEquation) {
    const auto &[c, has_fixed, packed] = GetParam();
    FakeKernel fake({.has_fixed = has_fixed,
                     .block_q = size_q,
                     .strips = 3,
                     .exact_splits = true,
                     .has_mask = c.has_mask,
                     .block_size_q = size_q,
                     .block_size_kv = size_kv});
    if (c.has_mask)
        script->visible = is_causal;
    script->row_class = [](int, int, int q) { return q % 2; };
    Problem p;
    p.heads = 6, p.rows = 18, p.keys = 75, p.pad = 1;
    std::vector<int> columns_of;
    if (!packed)  // the second sequence ends inside a listed block, others lie behind its end
        p.lengths_q = {18, 9}, p.lengths_kv = {75, 40}, columns_of = {5, 5};
    else if (c.per_batch)  // the second sequence is empty
        p.batch = 3, p.cu_q = {0, 11, 11, 18}, p.cu_kv = {0, 43, 43, 75}, columns_of = {3, 0, 2};
    else  // of one length, as they share their lists; rows and keys are left over
        p.batch = 2, p.cu_q = {0, 6, 17}, p.cu_kv = {0, 37, 74}, columns_of = {3};
    const auto listed = [&, per_batch = c.per_batch, per_head = c.per_head](int b, int h, int row, int column) {
        return ((per_batch ? b * 4 : 0) + (per_head ? h * 3 : 0) + row * 7 + column * 2) % 5 < 2;
    };
    const auto full = [full_flags = c.full_flags](int, int, int row, int column) { return full_flags && (row + column) % 2 == 0; };
    BlockLists lists(c.per_batch ? int(p.batch) : 1, c.per_head ? 6 : 1, 5, columns_of, listed,
                     c.full_flags ? BlockLists::Rule(full) : BlockLists::Rule());
    p.visible = [&, has_mask = c.has_mask](const Pair &pair) {
        const int row = pair.q / size_q, column = pair.kv / size_kv;
        return listed(pair.b, pair.h, row, column) && (full(pair.b, pair.h, row, column) || !has_mask || is_causal(pair));
    };
    p.build();
    p.args.params = &lists.mask;
    p.exec.num_threads = 2;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

std::string name_of(const testing::TestParamInfo<BlockMasks::ParamType> &info) {
    const auto &[c, has_fixed, packed] = info.param;
    return std::string(c.name) + (has_fixed ? "_fixed" : "_exact") + (packed ? "_packed" : "");
}

// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, BlockMasks,
    testing::Combine(testing::Values(
                         //       name              batch  head   full   mask
                         ListCase{"shared", false, false, false, false}, ListCase{"of_heads", false, true, false, true},
                         ListCase{"of_sequences", true, false, false, true}, ListCase{"of_both", true, true, false, false},
                         ListCase{"full_shared", false, false, true, true},  // full blocks show what the mask hides
                         ListCase{"full_of_both", true, true, true, true}, ListCase{"full_unmasked", true, true, true, false}),
                     testing::Bool(), testing::Bool()),
    name_of);
// clang-format on

class OneBlockMask : public testing::Test {
protected:
    FakeKernel fake{{.block_q = size_q, .exact_splits = true, .has_mask = true, .block_size_q = size_q, .block_size_kv = size_kv}};
    Problem p;
    OneBlockMask() { p.batch = p.heads = p.kv_heads = 1, p.rows = 4, p.keys = 45; }  // 16 + 16 + 13 keys
};

TEST_F(OneBlockMask, AFullBlockCutByTheEndIsUnmasked) {
    script->visible = [](const Pair &pair) { return pair.kv % 2 == 0; };
    p.visible = [](const Pair &pair) { return pair.kv < 16 ? pair.kv % 2 == 0 : pair.kv >= 32; };
    BlockLists lists(
        1, 1, 1, {3}, [](int, int, int, int column) { return column != 1; }, [](int, int, int, int column) { return column == 2; });
    p.build();
    p.args.params = &lists.mask;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
    const int32_t masked = 1 | 2 << ATTUNE_VISIT_END_SHIFT;
    EXPECT_EQ(script->visits.begin()->second,
              (std::pair<Visits, Visits>{{{4, 1}}, {{0, masked}, {1, masked}, {5, masked | ATTUNE_VISIT_UNMASKED}}}));
}

TEST_F(OneBlockMask, NothingListedIsNothingSeen) {
    BlockLists lists(1, 1, 1, {3}, [](int, int, int, int) { return false; });
    const int32_t none = 0;
    lists.mask.columns = &none;
    p.visible = [](const Pair &) { return false; };
    p.build();
    p.args.params = &lists.mask;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

TEST_F(OneBlockMask, IsNotLookedAtWithoutKeysOrRows) {
    attune_block_mask nothing{};
    for (bool no_keys : {false, true}) {
        (no_keys ? p.keys : p.rows) = 0;
        p.build();
        p.args.params = &nothing;
        EXPECT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
        p.expect_right();
        p.rows = 4;
    }
}

// ---- errors

struct ListError {
    const char *name;
    attune_status status;
    std::vector<const char *> pieces;
    std::function<void(BlockLists &, FakeKernel &)> spoil;
};
class BlockMaskErrors : public testing::TestWithParam<ListError> {};

TEST_P(BlockMaskErrors, NameArgumentValueAndCure) {
    const ListError &c = GetParam();
    FakeKernel fake({.block_q = size_q, .has_mask = true, .block_size_q = size_q, .block_size_kv = size_kv});
    Problem p;
    p.rows = 8, p.keys = 45;
    BlockLists lists(2, 4, 2, {3, 3}, [](int, int, int, int column) { return column != 1; });
    p.build();
    p.args.params = &lists.mask;
    p.give_workspace(&fake.kernel);
    c.spoil(lists, fake);
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), c.status);
    for (const char *piece : c.pieces)
        EXPECT_NE(std::string(attune_last_error()).find(piece), std::string::npos) << attune_last_error() << "\n  lacks: " << piece;
    EXPECT_EQ(script->blocks.size(), 0u);
    p.expect_untouched();
}

#define SPOIL(...)                                                                                                                         \
    [](BlockLists &l, FakeKernel &fake) {                                                                                                  \
        (void)l, (void)fake;                                                                                                               \
        __VA_ARGS__;                                                                                                                       \
    }
// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, BlockMaskErrors,
    testing::Values(
        ListError{"no_offsets",
                  ATTUNE_NULL_POINTER,
                  {"block_mask.row_offsets is null", "attune_list_blocks"},
                  SPOIL(l.mask.row_offsets = nullptr)},
        ListError{"no_columns", ATTUNE_NULL_POINTER, {"block_mask.columns is null"}, SPOIL(l.mask.columns = nullptr)},
        ListError{
            "stride_batch", ATTUNE_INVALID_ARGUMENT, {"stride_batch must not be negative", "0 shares"}, SPOIL(l.mask.stride_batch = -1)},
        ListError{"stride_head", ATTUNE_INVALID_ARGUMENT, {"stride_head must not be negative"}, SPOIL(l.mask.stride_head = -3)},
        ListError{"negative_offset", ATTUNE_INVALID_ARGUMENT, {"row_offsets of block row 0 are -2 and 2"}, SPOIL(l.offsets[0] = -2)},
        ListError{"falling_offsets",
                  ATTUNE_INVALID_ARGUMENT,
                  {"row_offsets of block row 1 are 2 and 1", "must not decrease"},
                  SPOIL(l.offsets[2] = 1)},
        ListError{"of_the_last_head", ATTUNE_INVALID_ARGUMENT, {"row_offsets of block row 1"}, SPOIL(l.offsets.back() = 0)},
        ListError{
            "column_behind_the_end", ATTUNE_INVALID_ARGUMENT, {"columns[1] is 3", "below 3 key blocks of 16"}, SPOIL(l.columns[1] = 3)},
        ListError{"negative_column", ATTUNE_INVALID_ARGUMENT, {"columns[0] is -1"}, SPOIL(l.columns[0] = -1)},
        ListError{"column_twice", ATTUNE_INVALID_ARGUMENT, {"columns[3] is 0", "above the entry before it"}, SPOIL(l.columns[3] = 0)},
        ListError{"columns_fall", ATTUNE_INVALID_ARGUMENT, {"columns[1] is 0"}, SPOIL(l.columns[0] = 2, l.columns[1] = 0)},
        ListError{"other_rows", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(fake.kernel.block_size_q = 8, fake.refresh())},
        ListError{"chunks_straddle", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(fake.kernel.block_size_kv = 12, fake.refresh())}),
    [](const auto &info) { return info.param.name; });
// clang-format on

TEST(BlockMask, OfPackedSequencesIsCheckedForEachOfThem) {
    FakeKernel fake({.block_q = size_q, .has_mask = true, .block_size_q = size_q, .block_size_kv = size_kv});
    Problem p;
    p.batch = 2, p.rows = 8, p.keys = 40, p.cu_q = {0, 4, 8}, p.cu_kv = {0, 32, 40};
    BlockLists lists(1, 1, 1, {2}, [](int, int, int, int) { return true; });  // shared, but the second sequence has one block of keys
    p.build();
    p.args.params = &lists.mask;
    EXPECT_EQ(p.run(&fake.kernel), ATTUNE_INVALID_ARGUMENT);
    EXPECT_NE(std::string(attune_last_error()).find("columns[1] is 1 but must be below 1 key blocks"), std::string::npos)
        << attune_last_error();
    p.expect_untouched();
}

}  // namespace

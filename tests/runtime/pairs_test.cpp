/// The matrix of all pairs, an output of some kernels.
#include "problem.h"

#include <gtest/gtest.h>

namespace {

class PairsOutput : public testing::TestWithParam<std::tuple<int /* fold */, bool /* fixed */, int64_t /* pad */>> {};

TEST_P(PairsOutput, HoldsTheRowsAndKeysInUse) {
    const auto [fold, has_fixed, pad] = GetParam();
    FakeKernel fake({.has_fixed = has_fixed, .fold = fold, .strips = 3, .has_mask = true, .has_pairs = true});
    script->visible = is_causal;
    script->row_class = [](int, int, int q) { return q % 2; };
    Problem p;
    p.batch = 3, p.heads = 6, p.kv_heads = 2, p.rows = 11, p.keys = 21, p.pad = pad;
    p.lengths_q = {11, 5, 7}, p.lengths_kv = {21, 9, 0};
    p.visible = is_causal;
    p.build();
    p.ask_pairs();
    p.exec.num_threads = 3;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
    EXPECT_EQ(script->pairs_calls, (3 + 2) * 6 / fold);
}

INSTANTIATE_TEST_SUITE_P(Runtime, PairsOutput, testing::Combine(testing::Values(1, 3), testing::Bool(), testing::Values(0, 2)));

TEST(Pairs, TakeAnyOrderOfDimensions) {
    FakeKernel fake({.has_pairs = true});
    Problem p;
    p.build();
    p.ask_pairs();
    // Memory order (seq, heads, batch, kv).
    p.args.stride_pairs[0] = p.keys, p.args.stride_pairs[1] = p.keys * p.batch, p.args.stride_pairs[2] = p.keys * p.batch * p.heads;
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

TEST(Pairs, AreNotMadeUnlessAskedFor) {
    FakeKernel fake({.has_pairs = true});
    Problem p;
    p.build();
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK);
    EXPECT_EQ(script->pairs_calls, 0);
}

TEST(Pairs, NeedNoMemoryWithoutKeys) {
    FakeKernel fake({.has_pairs = true});
    Problem p;
    p.keys = 0;
    p.build();
    p.ask_pairs();
    ASSERT_EQ(p.run(&fake.kernel), ATTUNE_OK) << attune_last_error();
    p.expect_right();
}

struct PairsError {
    const char *name;
    attune_status status;
    std::vector<const char *> pieces;
    std::function<void(Problem &, FakeKernel &)> spoil;
};
class PairsErrors : public testing::TestWithParam<PairsError> {};

TEST_P(PairsErrors, NameArgumentValueAndCure) {
    const PairsError &c = GetParam();
    FakeKernel fake({.has_pairs = true});
    Problem p;
    p.build();
    p.ask_pairs();
    p.give_workspace(&fake.kernel);
    c.spoil(p, fake);
    EXPECT_EQ(attune_kernel_run(&fake.kernel, &p.args), c.status);
    for (const char *piece : c.pieces)
        EXPECT_NE(std::string(attune_last_error()).find(piece), std::string::npos) << attune_last_error() << "\n  lacks: " << piece;
    p.expect_untouched();
}

const int32_t cu_q[] = {0, 2, 6}, cu_kv[] = {0, 3, 7};

#define SPOIL(...)                                                                                                                         \
    [](Problem &p, FakeKernel &fake) {                                                                                                     \
        (void)p, (void)fake;                                                                                                               \
        __VA_ARGS__;                                                                                                                       \
    }
// clang-format off: a table
INSTANTIATE_TEST_SUITE_P(
    Runtime, PairsErrors,
    testing::Values(
        PairsError{"packed",
                   ATTUNE_INVALID_ARGUMENT,
                   {"pairs is given together with cu_seqlens", "one by one"},
                   SPOIL(p.args.cu_seqlens_q = cu_q, p.args.cu_seqlens_kv = cu_kv)},
        PairsError{"kernel_without",
                   ATTUNE_INVALID_ARGUMENT,
                   {"pairs is given but kernel fake writes none", "OUTPUTS"},
                   SPOIL(fake.kernel.info.pairs = "")},
        PairsError{"damaged", ATTUNE_INTERNAL, {"damaged table"}, SPOIL(fake.variants[0].pairs = nullptr, fake.refresh())},
        PairsError{"negative_stride", ATTUNE_INVALID_ARGUMENT, {"stride_pairs[1] (head) is -7"}, SPOIL(p.args.stride_pairs[1] = -7)},
        PairsError{"rows_overlap",
                   ATTUNE_INVALID_ARGUMENT,
                   {"stride_pairs[2] (sequence) is 6 but must be at least 7", "rows of pairs overlap"},
                   SPOIL(p.args.stride_pairs[2] = 6)},
        PairsError{"span", ATTUNE_INDEX_RANGE, {"pairs spans"}, SPOIL(p.args.stride_pairs[0] = int64_t{1} << 31)},
        PairsError{"misaligned", ATTUNE_MISALIGNED, {"pairs is at", "4 bytes"}, SPOIL(p.args.pairs = (char *)p.args.pairs + 2)},
        PairsError{"is_output", ATTUNE_INVALID_ARGUMENT, {"pairs overlaps output"}, SPOIL(p.args.pairs = p.args.output)},
        PairsError{"is_key", ATTUNE_INVALID_ARGUMENT, {"pairs overlaps key"}, SPOIL(p.args.key = p.args.pairs)},
        PairsError{"is_workspace", ATTUNE_INVALID_ARGUMENT, {"workspace overlaps pairs"}, SPOIL(p.args.pairs = p.args.workspace)}),
    [](const auto &info) { return info.param.name; });
// clang-format on

}  // namespace

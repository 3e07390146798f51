#include "generator/cli/cost.h"
#include "generator/cli/params.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace attune::cli {
namespace {

AttentionSpec spec_of(const std::string &mask, const std::string &score, const std::string &params, const std::string &block_mask = "") {
    RawSpec raw;
    const auto set = [&](const char *key, const std::string &text) {
        if (!text.empty())
            set_spec_flag(raw, key, text, "test");
    };
    set("kernel.mask", mask);
    set("kernel.score", score);
    set("params", params);
    set("kernel.block_mask", block_mask);
    return validate_spec(raw);
}

const Shape shape = {.batch = 3, .num_heads = 4, .num_kv_heads = 2, .seq_len_q = 50, .seq_len_kv = 80};

TEST(Arguments, KeepWhatTheirTypeCanHold) {
    const struct {
        const char *type;
        double value, kept;
    } rows[] = {{"i32[q]", -2147483648.0, -2147483648.0}, {"f32[q]", 0.1, 0.1f},
                {"f16[q]", 0.1, 0.0999755859375},         {"bf16[q]", 0.1, 0.10009765625},
                {"f16[q]", -INFINITY, -INFINITY},         {"bool[q]", 1, 1}};
    for (const auto &row : rows) {
        const ParamDeclaration param = parse_param("p", row.type, {});
        const ParamValue value = argument_value(param, make_argument(param, {2}, {row.value, 0}));
        EXPECT_EQ(value.extents, std::vector<int64_t>{2});
        EXPECT_EQ(value.elements, (std::vector<double>{row.kept, 0})) << row.type;
    }
    const ParamDeclaration scalar = parse_param("w", "i32", {});
    EXPECT_EQ(argument_value(scalar, make_argument(scalar, {}, {-7})).integer, -7);
}

TEST(DefaultArguments, HaveTheExtentsOfTheCall) {
    const AttentionSpec spec = spec_of("t[b, h, 2, kv] < u[hkv, q, 5]", "", "t: i32[b, h, 1, kv]; u: i32[hkv, q, 7]");
    EXPECT_EQ(default_argument(spec, 0, shape, 1).extents, (std::vector<int64_t>{3, 4, 1, 80}));
    EXPECT_EQ(default_argument(spec, 1, shape, 1).extents, (std::vector<int64_t>{2, 50, 7}));
}

TEST(DefaultArguments, SuitWhatReadsThem) {
    const AttentionSpec spec =
        spec_of("document(ids) && tree(words, 32) && window(w) && bits", "alibi(m) + t[h, 3]",
                "ids: i32[b, kv] nondecreasing; words: i32[b, q]; w: i32; bits: bool[q, kv]; m: f32[h]; t: f16[h, n]");
    const auto value = [&](size_t i, uint64_t seed = 1) { return argument_value(spec.params[i], default_argument(spec, i, shape, seed)); };
    const ParamValue ids = value(0);
    for (size_t i = 0; i < ids.elements.size(); i++)
        EXPECT_TRUE(i % 80 == 0 ? ids.elements[i] == 0
                                : ids.elements[i] - ids.elements[i - 1] <= 1 && ids.elements[i] >= ids.elements[i - 1]);
    EXPECT_GT(ids.elements[79], 1);
    EXPECT_NE(value(0, 1).elements, value(0, 2).elements);
    EXPECT_EQ(value(0, 1).elements, value(0, 1).elements);
    double largest = 0;
    for (const double word : value(1).elements)
        largest = std::max(largest, std::abs(word));
    EXPECT_GT(largest, 1e9);  // all bits in use
    EXPECT_EQ(value(2).integer, 10);
    double shown = 0;
    for (const double bit : value(3).elements)
        shown += bit;
    EXPECT_NEAR(shown / 4000, 0.75, 0.05);
    EXPECT_EQ(value(4).elements, (std::vector<double>{0.25, 0.0625, 0.015625, 0.00390625}));
    EXPECT_EQ(value(5).extents, (std::vector<int64_t>{4, 32}));
}

/// <name>_params as a C compiler lays it out.
TEST(CallParams, AreLaidOutAsInC) {
    struct {
        attune_block_mask block_mask;
        int32_t w;
        attune_tensor m;
        float c;
    } expected;
    const AttentionSpec spec = spec_of("window(w)", "softcap(alibi(m), c)", "w: i32; m: f32[h]; c: f32", "csr");
    const CallParams params(spec,
                            {make_argument(spec.params[0], {}, {9}), make_argument(spec.params[1], {4}, {1, 2, 3, 4}),
                             make_argument(spec.params[2], {}, {0.5})},
                            random_block_lists(spec, shape, 0.5, 0.5, 1));
    std::memcpy(&expected, params.data(), sizeof expected);
    EXPECT_EQ(expected.w, 9);
    EXPECT_EQ(expected.c, 0.5f);
    EXPECT_EQ(expected.m.extent[0], 4);
    EXPECT_EQ(expected.m.stride[0], 0);
    EXPECT_EQ(static_cast<const float *>(expected.m.data)[2], 3);
    EXPECT_EQ(expected.block_mask.row_offsets, params.lists().row_offsets.data());
    EXPECT_EQ(expected.block_mask.stride_head, 2);  // one block of rows, and an end
    EXPECT_EQ(expected.block_mask.stride_batch, 8);
    EXPECT_EQ(CallParams().data(), nullptr);
}

BlockLists small_lists() {
    BlockLists lists;
    lists.size_q = lists.size_kv = 16;
    lists.rows = 2;
    lists.row_offsets = {0, 2, 4};
    lists.columns = {0, 2, 1, 2};
    lists.full = {1, 0, 0, 1};
    return lists;
}

TEST(BlockLists, HideWhatTheyDoNotListAndShowFullBlocks) {
    ReferenceProblem problem;
    problem.seq_len_q = 20;
    problem.seq_len_kv = 40;
    problem.visible = [](int64_t, int64_t, int64_t, int64_t kv, int64_t, int64_t) { return kv % 2 == 0; };
    apply_block_lists(problem, small_lists());
    const auto visible = [&](int64_t q, int64_t kv) { return problem.visible(0, 0, q, kv, 20, 40); };
    for (int64_t kv = 0; kv < 40; kv++) {
        EXPECT_EQ(visible(3, kv), kv < 16 || (kv >= 32 && kv % 2 == 0)) << kv;
        EXPECT_EQ(visible(19, kv), kv >= 32 || (kv >= 16 && kv % 2 == 0)) << kv;
    }
}

TEST(BlockLists, AreCountedPairByPair) {
    AttentionSpec spec = spec_of("kv % 2 == 0", "", "", "csr");
    const Shape call = {.batch = 2, .num_heads = 3, .num_kv_heads = 3, .seq_len_q = 20, .seq_len_kv = 40};
    EXPECT_EQ(call_cost(spec, call, {}, small_lists()).visible_pairs, 6 * (16 * (16 + 4) + 4 * (8 + 8)));
    spec.mask = {};
    EXPECT_EQ(call_cost(spec, call, {}, small_lists()).visible_pairs, 6 * (16 * 24 + 4 * 24));
}

TEST(BlockLists, AreCutToEachSequence) {
    const BlockLists cut = cut_to_lengths(small_lists(), {40, 17, 0});
    EXPECT_EQ(cut.batch, 3);
    EXPECT_EQ(cut.row_offsets, (std::vector<int32_t>{0, 2, 4, 4, 5, 6, 6, 6, 6}));
    EXPECT_EQ(cut.columns, (std::vector<int32_t>{0, 2, 1, 2, 0, 1}));
    EXPECT_EQ(cut.full, (std::vector<uint8_t>{1, 0, 0, 1, 1, 0}));
}

}  // namespace
}  // namespace attune::cli

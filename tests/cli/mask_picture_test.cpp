#include "generator/cli/cost.h"
#include "generator/cli/mask_picture.h"

#include <gtest/gtest.h>

namespace attune::cli {
namespace {

Expression parse(const std::string &text) {
    static const std::vector<ParamDeclaration> none;
    ExpressionContext context;
    context.argument = "mask";
    context.params = &none;
    return parse_expression(text, context);
}

BlockMap map_of(const std::string &mask, int64_t seq_len_q, int64_t seq_len_kv, int64_t block_q, int64_t block_kv, int64_t max_rows = 32,
                int64_t max_columns = 64) {
    return map_blocks({mask.empty() ? nullptr : parse(mask).root, {}, {}}, {0, 0, 0, seq_len_q, seq_len_kv}, block_q, block_kv, max_rows,
                      max_columns);
}

TEST(MaskPicture, DrawsOneCharacterABlock) {
    EXPECT_EQ(picture_rows(map_of("causal", 4, 6, 2, 2)), (std::vector<std::string>{"█▒·", "██▒"}));
    EXPECT_EQ(picture_rows(map_of("causal && window(1)", 6, 6, 2, 2)), (std::vector<std::string>{"▒··", "▒▒·", "·▒▒"}));
    EXPECT_EQ(picture_rows(map_of("", 4, 4, 2, 2)), (std::vector<std::string>{"██", "██"}));
}

TEST(MaskPicture, StaysWithinItsLimits) {
    for (int64_t n : {1, 31, 32, 33, 64, 65, 1000, 100000}) {
        const BlockMap map = map_of("causal", n, n, 1, 1);
        EXPECT_LE(map.cells.size(), 32u) << n;
        EXPECT_LE(map.cells[0].size(), 64u) << n;
        EXPECT_EQ(map.full + map.partial + map.skipped, n * n) << n;
    }
}

TEST(MaskPicture, SaysWhatTheBlocksCost) {
    const std::string text = picture_text(map_of("causal", 64, 64, 32, 32));
    EXPECT_NE(text.find("█ full 1   ▒ partial 2   · skipped 1   (blocks of 32 x 32)"), std::string::npos) << text;
    EXPECT_NE(text.find("density 50.8 %: 2080 of 4096 pairs are visible"), std::string::npos) << text;
    EXPECT_NE(text.find("useful share of the work 67.7 %: 3072 pairs are computed"), std::string::npos) << text;
    EXPECT_NE(text.find("3 / 3 = 1.000"), std::string::npos) << text;
}

TEST(MaskPicture, IsTheSameInSvg) {
    const std::string svg = svg_text(draw_mask(map_of("causal", 64, 64, 32, 32), "a < b"));
    for (const char *part :
         {"<svg", "a &lt; b", "full 1<", "partial 2<", "skipped 1<", "density 50.8 %", "useful share of the work 67.7 %", "</svg>"})
        EXPECT_NE(svg.find(part), std::string::npos) << part;
}

TEST(MaskPicture, NothingToDrawIsNoError) {
    EXPECT_NE(picture_text(map_of("causal", 0, 5, 8, 8)).find("no query or no key"), std::string::npos);
    EXPECT_NE(svg_text(draw_mask(map_of("", 5, 0, 8, 8), "x")).find("</svg>"), std::string::npos);
}

TEST(Cost, FollowsTheFormulas) {
    AttentionSpec spec;
    spec.dtype = DType::f16;
    spec.head_dim = 32;
    spec.head_dim_v = 16;
    spec.mask = parse("causal");
    const Cost cost = call_cost(spec, {2, 6, 3, 4, 5});
    EXPECT_EQ(cost.visible_pairs, 2 * 6 * (2 + 3 + 4 + 5));
    EXPECT_EQ(cost.flops, 2 * cost.visible_pairs * 48);
    EXPECT_EQ(cost.bytes, (2 * 6 * 4 + 2 * 3 * 5) * 48 * 2 + 2 * 6 * 4 * 4);
    EXPECT_EQ(std::string(bytes_formula(spec)), plain_bytes_formula);
}

TEST(Cost, OfACacheIsItsBytes) {
    AttentionSpec spec;
    spec.decode = true;
    spec.dtype = DType::f16;
    spec.head_dim = 64;
    spec.head_dim_v = 32;
    const int64_t rows = 2 * 6 * 4 * (96 * 2 + 4), keys = 2 * 3 * 5;
    spec.cache.dtype = KvDType::i8;
    EXPECT_EQ(call_cost(spec, {2, 6, 3, 4, 5}).bytes, rows + keys * (64 + 4 + 32 + 4));
    spec.cache.zero_points = true;
    EXPECT_EQ(call_cost(spec, {2, 6, 3, 4, 5}).bytes, rows + keys * (64 + 8 + 32 + 8));
    spec.cache.dtype = KvDType::i4;
    EXPECT_EQ(call_cost(spec, {2, 6, 3, 4, 5}).bytes, rows + keys * (32 + 16 + 16 + 8));
    spec.cache = {};
    spec.cache.values_in_key = true;
    EXPECT_EQ(call_cost(spec, {2, 6, 3, 4, 5}).bytes, rows + keys * 64 * 2);
    EXPECT_EQ(std::string(bytes_formula(spec)), cache_bytes_formula);
}

}  // namespace
}  // namespace attune::cli

// Each helper against its definition, written by hand.
#include "generator/spec/helpers.h"

#include "tests/spec/expressions.h"
#include "tests/support/masks.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace attune {
namespace {

using test::Pair;

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
int64_t id_of(int64_t place) { return std::clamp<int64_t>(place, 0, 39) / 7; }  // of test::param_values

struct MaskCase {
    const char *name, *text;
    std::function<bool(const Pair &)> visible;
};
void PrintTo(const MaskCase &c, std::ostream *out) { *out << c.name; }
class HelperMasks : public testing::TestWithParam<MaskCase> {};

TEST_P(HelperMasks, AgreeWithTheirDefinition) {
    const std::vector<ParamValue> params = test::param_values();
    Program program({test::parse_mask(GetParam().text).root});
    int64_t seen = 0, all = 0;
    for (const auto &[seq_len_q, seq_len_kv] : {std::pair{24, 24}, {7, 30}, {30, 7}, {1, 40}})
        for (int64_t h = 0; h < 3; h++)
            for (int64_t q = 0; q < seq_len_q; q++)
                for (int64_t kv = 0; kv < seq_len_kv; kv++) {
                    const Pair pair = {.q = q, .kv = kv, .seq_len_q = seq_len_q, .seq_len_kv = seq_len_kv, .b = 1, .h = h};
                    const bool visible = program.run(pair.bindings(), params)[0].integer != 0;
                    ASSERT_EQ(visible, GetParam().visible(pair))
                        << GetParam().text << " q " << q << " kv " << kv << " of " << seq_len_q << " x " << seq_len_kv << " h " << h;
                    seen += visible;
                    all++;
                }
    EXPECT_GT(seen, 0);  // else the case compares nothing
    EXPECT_LT(seen, all);
}

INSTANTIATE_TEST_SUITE_P(
    All, HelperMasks,
    testing::Values(
        MaskCase{"causal", "causal", [](const Pair &p) { return test::visible_causal(0, 0, p.q, p.kv, p.seq_len_q, p.seq_len_kv); }},
        MaskCase{"causal_top_left", "causal_top_left", [](const Pair &p) { return test::visible_causal_top_left(0, 0, p.q, p.kv, 0, 0); }},
        MaskCase{"window_left", "window(4)", [](const Pair &p) { return p.kv >= p.q_abs() - 4; }},
        MaskCase{"window_both", "window(4, 2)", [](const Pair &p) { return p.kv >= p.q_abs() - 4 && p.kv <= p.q_abs() + 2; }},
        MaskCase{"window_diagonal", "window(0, 0)", [](const Pair &p) { return p.kv == p.q_abs(); }},
        MaskCase{"window_at_run_time", "window(n, n)", [](const Pair &p) { return std::abs(p.kv - p.q_abs()) <= 3; }},
        MaskCase{"prefix", "prefix(5)", [](const Pair &p) { return p.kv < 5; }},
        MaskCase{"prefix_lm", "causal || prefix(n)", [](const Pair &p) { return p.kv <= p.q_abs() || p.kv < 3; }},
        MaskCase{"chunk", "chunk(6)", [](const Pair &p) { return floor_div(p.q_abs(), 6) == p.kv / 6; }},
        MaskCase{"global", "global(3)", [](const Pair &p) { return p.q_abs() < 3 || p.kv < 3; }},
        MaskCase{"dilated", "dilated(3)", [](const Pair &p) { return std::abs(p.q_abs() - p.kv) % 3 == 0; }},
        MaskCase{"document", "document(ids)", [](const Pair &p) { return id_of(p.q_abs()) == id_of(p.kv); }},
        MaskCase{"strided", "strided(5)", [](const Pair &p) { return p.q_abs() - p.kv < 5 || (p.q_abs() - p.kv) % 5 == 0; }},
        MaskCase{"fixed", "fixed(6, 2)", [](const Pair &p) { return floor_div(p.q_abs(), 6) == p.kv / 6 || p.kv % 6 >= 4; }},
        MaskCase{"local_stride", "local_stride(4, 2, 3)",
                 [](const Pair &p) { return floor_div(p.q_abs(), 4) - p.kv / 4 < 2 || (p.kv / 4 + p.h + 1) % 3 == 0; }},
        MaskCase{"tree", "tree(words, 9)",
                 [](const Pair &p) {
                     const int64_t draft = p.kv - (p.seq_len_kv - 9);
                     return draft < 0 || (static_cast<uint32_t>(40 + p.q + 1) * 2654435761u >> draft & 1) != 0;
                 }},
        MaskCase{"head_by_head", "select(h < 1, causal, window(2, 2))",
                 [](const Pair &p) { return p.h < 1 ? p.kv <= p.q_abs() : std::abs(p.kv - p.q_abs()) <= 2; }}),
    [](const auto &info) { return info.param.name; });

// ---- images ----------------------------------------------------------------------------------------------------------------

/// The keys that query (r, c) of an image sees, as pairs of row and column.
std::set<std::pair<int64_t, int64_t>> seen_of(Program &program, int64_t rows, int64_t cols, int64_t r, int64_t c) {
    std::set<std::pair<int64_t, int64_t>> out;
    for (int64_t kv = 0; kv < rows * cols; kv++) {
        const Pair pair = {.q = r * cols + c, .kv = kv, .seq_len_q = rows * cols, .seq_len_kv = rows * cols};
        if (program.run(pair.bindings(), {})[0].integer) out.insert({kv / cols, kv % cols});
    }
    return out;
}

/// NATTEN's rule for one axis, from its words: of the places that differ from i by a multiple of the dilation, the k in a row whose middle
/// is nearest to i.
std::vector<int64_t> nearest_places(int64_t i, int64_t extent, int64_t k, int64_t dilation) {
    std::vector<int64_t> group;
    int64_t own = 0;
    for (int64_t j = i % dilation; j < extent; j += dilation) {
        if (j == i) own = static_cast<int64_t>(group.size());
        group.push_back(j);
    }
    const int64_t first = std::clamp<int64_t>(own - k / 2, 0, static_cast<int64_t>(group.size()) - k);
    return {group.begin() + first, group.begin() + first + k};
}

TEST(Neighborhood2d, SeesKxKPlacesMovedInwardAtTheBorders) {
    for (const auto &[rows, cols, k, dilation] :
         {std::tuple{7, 9, 3, 1}, {5, 5, 5, 1}, {8, 6, 4, 1}, {9, 11, 3, 2}, {10, 13, 3, 3}, {14, 15, 7, 2}, {6, 6, 1, 1}}) {
        std::string text = "neighborhood2d(" + std::to_string(rows) + ", " + std::to_string(cols) + ", " + std::to_string(k);
        text += dilation == 1 ? ")" : ", " + std::to_string(dilation) + ")";
        Program program({test::parse_mask(text).root});
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c++) {
                std::set<std::pair<int64_t, int64_t>> expected;
                for (const int64_t i : nearest_places(r, rows, k, dilation))
                    for (const int64_t j : nearest_places(c, cols, k, dilation)) expected.insert({i, j});
                ASSERT_EQ(expected.size(), static_cast<size_t>(k * k));
                ASSERT_EQ(seen_of(program, rows, cols, r, c), expected) << text << " at " << r << ", " << c;
            }
    }
}

TEST(Neighborhood2d, TakesSizesAtRunTime) {
    // n is 3: the same rule as with the constant.
    Program constant({test::parse_mask("neighborhood2d(7, 6, 3)").root}), parameter({test::parse_mask("neighborhood2d(7, 6, n)").root});
    const auto params = test::param_values();
    for (int64_t q = 0; q < 42; q++)
        for (int64_t kv = 0; kv < 42; kv++) {
            const Pair pair = {.q = q, .kv = kv, .seq_len_q = 42, .seq_len_kv = 42};
            ASSERT_EQ(constant.run(pair.bindings(), params)[0].integer, parameter.run(pair.bindings(), params)[0].integer);
        }
}

TEST(ShiftedWindow, IsThatOfSwin) {
    // As the paper makes it: roll the image by -shift, cut windows, and keep apart what was not together before.
    for (const auto &[rows, cols, w, shift] : {std::tuple{8, 12, 4, 2}, {14, 14, 7, 3}, {6, 6, 3, 1}, {8, 8, 4, 0}}) {
        const std::string text = "shifted_window(" + std::to_string(rows) + ", " + std::to_string(cols) + ", " + std::to_string(w) + ", " +
                                 std::to_string(shift) + ")";
        Program program({test::parse_mask(text).root});
        const auto window_and_region = [w = w, shift = shift](int64_t place, int64_t extent) {
            const int64_t rolled = (place - shift + extent) % extent;
            const int region = shift == 0 || rolled < extent - w ? 0 : rolled < extent - shift ? 1 : 2;
            return std::pair{rolled / w, region};
        };
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < cols; c++) {
                std::set<std::pair<int64_t, int64_t>> expected;
                for (int64_t i = 0; i < rows; i++)
                    for (int64_t j = 0; j < cols; j++)
                        if (window_and_region(i, rows) == window_and_region(r, rows) &&
                            window_and_region(j, cols) == window_and_region(c, cols))
                            expected.insert({i, j});
                ASSERT_EQ(seen_of(program, rows, cols, r, c), expected) << text << " at " << r << ", " << c;
            }
    }
}

// ---- constant patterns -----------------------------------------------------------------------------------------------------

const Pattern &pattern_of(const Expression &mask) { return *without_helper(mask.root)->pattern; }

TEST(Bigbird, HasABandGlobalBlocksAndRandomOnes) {
    const Expression mask = test::parse_mask("bigbird(20, 4, 3, 2, 3, 42)");
    const Pattern &p = pattern_of(mask);
    ASSERT_EQ(p.rows, 20);
    ASSERT_EQ(p.columns, 20);
    ASSERT_EQ(p.size, 4);
    for (int64_t i = 0; i < 20; i++) {
        int64_t random = 0;
        for (int64_t j = 0; j < 20; j++) {
            const bool fixed = std::abs(i - j) <= 1 || i < 2 || j < 2;
            EXPECT_TRUE(!fixed || p.visible[i * 20 + j]) << i << ", " << j;
            random += !fixed && p.visible[i * 20 + j];
        }
        EXPECT_EQ(random, i < 2 ? 0 : 3) << i;
    }
    EXPECT_EQ(pattern_of(test::parse_mask("bigbird(20, 4, 3, 2, 3, 42)")).visible, p.visible);
    EXPECT_NE(pattern_of(test::parse_mask("bigbird(20, 4, 3, 2, 3, 43)")).visible, p.visible);
    EXPECT_EQ(p.hash, 0x2ebcac1b01441944u);  // of every machine: it is part of kernels' ids
    // More random blocks than there are.
    const Expression full = test::parse_mask("bigbird(6, 4, 1, 0, 100, 1)");
    for (const uint8_t visible : pattern_of(full).visible) EXPECT_TRUE(visible);
}

TEST(Bigbird, RepeatsItsLastBlocksForLongerSequences) {
    const Expression mask = test::parse_mask("bigbird(4, 2, 1, 0, 0, 0)");
    const auto visible = [&](int64_t q, int64_t kv) {
        return evaluate(mask.root, Pair{.q = q, .kv = kv, .seq_len_q = 20, .seq_len_kv = 20}.bindings(), {}).integer != 0;
    };
    EXPECT_TRUE(visible(3, 2));
    EXPECT_FALSE(visible(3, 4));
    EXPECT_TRUE(visible(19, 8));
    EXPECT_FALSE(visible(19, 5));
}

TEST(Blocks, AreAPatternWithHeads) {
    ExpressionContext context = test::context_of(ExprType::boolean);
    context.read_pattern = [](const std::string &file, int64_t size) {
        auto pattern = std::make_shared<Pattern>();
        pattern->file = file;
        pattern->size = size;
        pattern->heads = 2, pattern->rows = 2, pattern->columns = 3;
        pattern->visible = {1, 0, 0, 0, 1, 0, /* head 1 */ 0, 0, 1, 1, 0, 0};
        return pattern;
    };
    const Expression mask = parse_expression("blocks('a b.npy', 8) && causal", context);
    EXPECT_EQ(mask.text, "blocks(\"a b.npy\", 8) && causal");
    Program program({parse_expression("blocks(\"a b.npy\", 8)", context).root});
    const auto visible = [&](int64_t h, int64_t q, int64_t kv) {
        return program.run(Pair{.q = q, .kv = kv, .seq_len_q = 16, .seq_len_kv = 24, .h = h}.bindings(), {})[0].integer != 0;
    };
    // q_abs is q + 8: rows of queries 0 … 7 are block row 1.
    EXPECT_FALSE(visible(0, 0, 0));
    EXPECT_TRUE(visible(0, 0, 8));
    EXPECT_TRUE(visible(0, 15, 15));  // clamped to the last row
    EXPECT_TRUE(visible(1, 7, 7));
    EXPECT_FALSE(visible(1, 7, 8));
    EXPECT_TRUE(visible(5, 7, 7));  // clamped to the last head
}

// ---- scores ----------------------------------------------------------------------------------------------------------------

double score_of(const std::string &text, const Pair &pair) {
    return evaluate(test::parse_score(text).root, pair.bindings(), test::param_values()).real;
}

TEST(Scores, AgreeWithTheirDefinition) {
    const Pair pair = {.q = 3, .kv = 20, .seq_len_q = 8, .seq_len_kv = 12, .h = 1, .s = 70.5};
    EXPECT_EQ(score_of("softcap(s, 50)", pair), 50 * std::tanh(70.5 / 50));
    EXPECT_EQ(score_of("softcap(s, x)", pair), 1.5 * std::tanh(70.5 / 1.5));
    EXPECT_EQ(score_of("alibi(slopes)", pair), 70.5 - 0.5 * 13);
    EXPECT_EQ(score_of("softcap(alibi(slopes), 30)", pair), 30 * std::tanh((70.5 - 6.5) / 30));
}

/// The first distance of each bucket, from T5's formula in float32, n = 32 and d = 128:
///   exact = n/2, large = exact + int(log(distance / exact) / log(d / exact) * (n - exact)), at most n - 1
constexpr int first_of_bucket_causal[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                            16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
constexpr int first_of_bucket_each_side[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};

TEST(RelativeBias, HasTheBucketsOfT5) {
    const auto bucket = [](const std::string &text, int64_t relative) {  // kv - q_abs
        const Pair pair = {.q = 0, .kv = 1000 + relative, .seq_len_q = 1000, .seq_len_kv = 2000, .h = 2};
        return static_cast<int64_t>(score_of(text, pair)) - 64;  // row 2 of test::param_values' table
    };
    for (int64_t distance = 0; distance < 400; distance++) {
        const auto last_below = [&](const auto &first) {
            return std::upper_bound(std::begin(first), std::end(first), distance) - std::begin(first) - 1;
        };
        ASSERT_EQ(bucket("relative_bias_causal(table, 32, 128)", -distance), last_below(first_of_bucket_causal)) << distance;
        ASSERT_EQ(bucket("relative_bias_causal(table, 32, 128)", distance), 0) << distance;
        ASSERT_EQ(bucket("relative_bias(table, 32, 128)", -distance), last_below(first_of_bucket_each_side)) << distance;
        ASSERT_EQ(bucket("relative_bias(table, 32, 128)", distance), last_below(first_of_bucket_each_side) + (distance > 0 ? 16 : 0))
            << distance;
    }
}

TEST(HelperTable, IsWhatItSays) {
    for (const Helper &helper : helpers()) {
        EXPECT_EQ(find_helper(helper.name), &helper);
        EXPECT_LE(helper.required, helper.arguments.size());
        EXPECT_STRNE(helper.meaning, "");
    }
    EXPECT_EQ(find_helper("window")->usage(), "window(l[, r])");
    EXPECT_EQ(find_helper("causal")->usage(), "causal");
    EXPECT_EQ(find_helper("blocks")->usage(), "blocks(\"file.npy\", size)");
    EXPECT_EQ(find_helper("nothing"), nullptr);
}

}  // namespace
}  // namespace attune

#include "tests/plan/plan_check.h"
#include "tests/plan/random_masks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace attune::test {
namespace {

/// How the rule looks in loops, written by hand: i is the row's position among the keys.
using Visible = std::function<bool(int64_t i, int64_t j)>;

struct Rule {
    const char *name;
    const char *mask;
    std::vector<std::pair<std::string, std::string>> params = {};
    std::vector<ParamValue> values = {};
    int64_t seq_len_q = 1024, seq_len_kv = 1024;
    int64_t head = 0;
    double most = 1;  ///< blocks visited / blocks that hold a visible pair
    Visible visible = {};
};

ParamValue scalar(int64_t value) {
    ParamValue out;
    out.integer = value;
    return out;
}

ParamValue array(std::vector<int64_t> extents, std::vector<double> elements) {
    ParamValue out;
    out.extents = std::move(extents);
    out.elements = std::move(elements);
    return out;
}

/// Documents of random lengths: 4 … 124 tokens.
const std::vector<double> &document_ids() {
    static const auto out = [] {
        Random random(3);
        std::vector<double> ids;
        for (int id = 0; ids.size() < 1024; id += static_cast<int>(random.between(1, 2)))
            ids.insert(ids.end(), static_cast<size_t>(random.between(4, 124)), id);
        ids.resize(1024);
        return ids;
    }();
    return out;
}

/// Words of a tree of drafts: each sees itself and the ancestors of an earlier one.
const std::vector<double> &ancestors() {
    static const auto out = [] {
        Random random(5);
        std::vector<double> words;
        for (int64_t i = 0; i < 16; i++) {
            const int64_t parent = i == 0 ? 0 : static_cast<int64_t>(words[static_cast<size_t>(random.between(0, i - 1))]);
            words.push_back(static_cast<double>(parent | int64_t{1} << i));
        }
        return words;
    }();
    return out;
}

bool near(int64_t i, int64_t j, int64_t extent, int64_t k, int64_t dilation) {
    if (i % dilation != j % dilation)
        return false;
    const int64_t places = (extent - i % dilation + dilation - 1) / dilation;
    const int64_t start = std::min(std::max<int64_t>(i / dilation - k / 2, 0), places - k);
    return j / dilation >= start && j / dilation < start + k;
}

Visible neighbourhood(int64_t extent, int64_t k, int64_t dilation) {
    return [=](int64_t i, int64_t j) {
        return near(i / extent, j / extent, extent, k, dilation) && near(i % extent, j % extent, extent, k, dilation);
    };
}

/// As Swin computes it: roll the image, cut it into windows, and label the regions that come from different places.
bool same_window(int64_t i, int64_t j, int64_t extent, int64_t w, int64_t shift) {
    const auto rolled = [&](int64_t p) { return (p + extent - shift) % extent; };
    const auto region = [&](int64_t p) { return rolled(p) < extent - w ? 0 : rolled(p) < extent - shift ? 1 : 2; };
    return rolled(i) / w == rolled(j) / w && region(i) == region(j);
}

int64_t wrapped(int64_t x, int64_t n) {
    return ((x % n) + n) % n;
}

std::vector<Rule> rules() {
    const auto &ids = document_ids();
    const auto id = [&ids](int64_t i) { return ids[static_cast<size_t>(i)]; };
    const Visible none = {};
    return {
        {.name = "causal", .mask = "causal", .visible = [](int64_t i, int64_t j) { return j <= i; }},
        {.name = "causal, after a prefix",
         .mask = "causal",
         .seq_len_q = 300,
         .seq_len_kv = 1000,
         .visible = [](int64_t i, int64_t j) { return j <= i; }},
        {.name = "causal, more rows than keys",
         .mask = "causal",
         .seq_len_q = 700,
         .seq_len_kv = 500,
         .visible = [](int64_t i, int64_t j) { return j <= i; }},
        {.name = "causal_top_left",
         .mask = "causal_top_left",
         .seq_len_q = 700,
         .seq_len_kv = 1000,
         .visible = [](int64_t i, int64_t j) { return j <= i - 300; }},
        {.name = "window, causal", .mask = "causal && window(255)", .visible = [](int64_t i, int64_t j) { return j <= i && j >= i - 255; }},
        {.name = "window, run-time",
         .mask = "causal && window(n)",
         .params = {{"n", "i32"}},
         .values = {scalar(100)},
         .visible = [](int64_t i, int64_t j) { return j <= i && j >= i - 100; }},
        {.name = "window, two-sided",
         .mask = "window(100, 60)",
         .visible = [](int64_t i, int64_t j) { return j <= i + 60 && j >= i - 100; }},
        {.name = "distance", .mask = "abs(q_abs - kv) <= 77", .visible = [](int64_t i, int64_t j) { return std::abs(i - j) <= 77; }},
        {.name = "chunk, causal",
         .mask = "causal && chunk(200)",
         .visible = [](int64_t i, int64_t j) { return j <= i && i / 200 == j / 200; }},
        {.name = "chunk, run-time",
         .mask = "causal && chunk(n)",
         .params = {{"n", "i32"}},
         .values = {scalar(150)},
         .visible = [](int64_t i, int64_t j) { return j <= i && i / 150 == j / 150; }},
        {.name = "prefix-LM",
         .mask = "prefix(n) || causal",
         .params = {{"n", "i32"}},
         .values = {scalar(333)},
         .visible = [](int64_t i, int64_t j) { return j <= i || j < 333; }},
        {.name = "documents",
         .mask = "document(ids)",
         .params = {{"ids", "i32[b, kv] nondecreasing"}},
         .values = {array({1, 1024}, ids)},
         .visible = [=](int64_t i, int64_t j) { return id(i) == id(j); }},
        {.name = "documents, causal",
         .mask = "document(ids) && causal",
         .params = {{"ids", "i32[b, kv] nondecreasing"}},
         .values = {array({1, 1024}, ids)},
         .visible = [=](int64_t i, int64_t j) { return j <= i && id(i) == id(j); }},
        {.name = "documents, decode",
         .mask = "document(ids) && causal",
         .params = {{"ids", "i32[b, kv] nondecreasing"}},
         .values = {array({1, 1024}, ids)},
         .seq_len_q = 200,
         .visible = [=](int64_t i, int64_t j) { return j <= i && id(i) == id(j); }},
        {.name = "dilated", .mask = "dilated(100)", .visible = [](int64_t i, int64_t j) { return wrapped(i - j, 100) == 0; }},
        {.name = "strided, causal",
         .mask = "strided(90) && causal",
         .visible = [](int64_t i, int64_t j) { return j <= i && (i - j < 90 || (i - j) % 90 == 0); }},
        {.name = "fixed, causal",
         .mask = "fixed(96, 5) && causal",
         .visible = [](int64_t i, int64_t j) { return j <= i && (i / 96 == j / 96 || j % 96 >= 91); }},
        {.name = "Longformer",
         .mask = "global(20) || window(64, 64)",
         .visible = [](int64_t i, int64_t j) { return i < 20 || j < 20 || std::abs(i - j) <= 64; }},
        {.name = "BigBird", .mask = "bigbird(16, 64, 3, 1, 2, 42)", .most = 1},
        {.name = "sinks",
         .mask = "(kv < 4 || window(300)) && causal",
         .visible = [](int64_t i, int64_t j) { return j <= i && (j < 4 || j >= i - 300); }},
        {.name = "local and stride",
         .mask = "local_stride(64, 4, 4) && causal",
         .head = 1,
         .visible = [](int64_t i, int64_t j) { return j <= i && (i / 64 - j / 64 < 4 || (j / 64 + 2) % 4 == 0); }},
        {.name = "neighbourhood 7x7",
         .mask = "neighborhood2d(56, 56, 7)",
         .seq_len_q = 3136,
         .seq_len_kv = 3136,
         .most = 1.1,
         .visible = neighbourhood(56, 7, 1)},
        {.name = "neighbourhood 7x7, dilation 2",
         .mask = "neighborhood2d(56, 56, 7, 2)",
         .seq_len_q = 3136,
         .seq_len_kv = 3136,
         .most = 1.1,
         .visible = neighbourhood(56, 7, 2)},
        {.name = "shifted window",
         .mask = "shifted_window(56, 56, 7, 3)",
         .seq_len_q = 3136,
         .seq_len_kv = 3136,
         .most = 1.1,
         .visible = [](int64_t i, int64_t j) { return same_window(i / 56, j / 56, 56, 7, 3) && same_window(i % 56, j % 56, 56, 7, 3); }},
        {.name = "heads, windowed",
         .mask = "select(h < 4, window(70), true) && causal",
         .head = 2,
         .visible = [](int64_t i, int64_t j) { return j <= i && j >= i - 70; }},
        {.name = "heads, dense",
         .mask = "select(h < 4, window(70), true) && causal",
         .head = 5,
         .visible = [](int64_t i, int64_t j) { return j <= i; }},
        {.name = "window of each head",
         .mask = "window(left[h]) && causal",
         .params = {{"left", "i32[h]"}},
         .values = {array({3}, {3, 200, 7})},
         .head = 1,
         .visible = [](int64_t i, int64_t j) { return j <= i && j >= i - 200; }},
        {.name = "tree of drafts",
         .mask = "tree(words, 16)",
         .params = {{"words", "i32[b, q]"}},
         .values = {array({1, 16}, ancestors())},
         .seq_len_q = 16,
         .seq_len_kv = 1000,
         .most = 1.1,
         .visible =
             [](int64_t i, int64_t j) {
                 return j < 984 || (static_cast<int64_t>(ancestors()[static_cast<size_t>(i - 984)]) >> (j - 984) & 1);
             }},
    };
}

TEST(Tightness, VisitsFewBlocksWithoutAVisiblePair) {
    fmt::print("{:<30} {:>9} {:>8} {:>8} {:>7} {:>8} {:>8}\n", "rule", "blocks", "needed", "visited", "ratio", "full", "found");
    for (const Rule &rule : rules()) {
        const auto params = declare(rule.params);
        const Expression mask = parse(rule.mask, params);
        PlanValues plan(plan_blocks(mask.root, params), rule.values);
        const Sequence s{0, 0, rule.seq_len_q, rule.seq_len_kv};
        Program program({mask.root});
        Bindings bindings;
        bindings[Variable::h] = rule.head;
        bindings[Variable::seq_len_q] = s.seq_len_q;
        bindings[Variable::seq_len_kv] = s.seq_len_kv;
        const PairCounts pairs(s.seq_len_q, s.seq_len_kv, [&](int64_t q, int64_t kv) {
            if (rule.visible)
                return rule.visible(q + s.seq_len_kv - s.seq_len_q, kv);
            bindings[Variable::q] = q;
            bindings[Variable::kv] = kv;
            return program.run(bindings, rule.values)[0].integer != 0;
        });
        plan.set(s, rule.head, rule.head);
        for (const int64_t block_q : {12, 48, 128})
            for (const int64_t block_kv : {8, 64}) {
                std::string problem;
                const BlockCounts counts = check_blocks(plan, pairs, pairs, s, block_q, block_kv, problem);
                EXPECT_EQ(problem, "") << rule.mask;
                const double ratio = static_cast<double>(counts.visited) / static_cast<double>(counts.needed);
                EXPECT_LE(ratio, rule.most + 1e-9) << rule.mask << ", blocks of " << block_q << " x " << block_kv;
                fmt::print("{:<30} {:>9} {:>8} {:>8} {:>7.3f} {:>8} {:>8}\n", rule.name, fmt::format("{} x {}", block_q, block_kv),
                           counts.needed, counts.visited, ratio, counts.full, counts.called_full);
            }
    }
}

}  // namespace
}  // namespace attune::test

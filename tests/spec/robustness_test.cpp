#include "generator/spec/error.h"
#include "generator/spec/spec.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace attune {
namespace {

std::string utf8(char32_t c) {
    std::string out;
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    if (c >= 0x10000) out += static_cast<char>(0xf0 | c >> 18);
    if (c >= 0x800) out += static_cast<char>((c >= 0x10000 ? 0x80 | (c >> 12 & 63) : 0xe0 | c >> 12));
    out += static_cast<char>(c >= 0x800 ? 0x80 | (c >> 6 & 63) : 0xc0 | c >> 6);
    return out + static_cast<char>(0x80 | (c & 63));
}

/// A kernel or an Error of a user's mistake: anything else is a fault of ours.
void expect_kernel_or_error(const std::string &text) {
    try {
        const AttentionSpec spec = validate_spec(read_spec_text(text, "spec.toml"));
        EXPECT_GE(spec.head_dim, 1);
    } catch (const Error &error) {
        EXPECT_NE(error.details().code, ErrorCode::internal);
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        EXPECT_NE(error.details().expected, "");
    }
}

std::string repeated(const std::string &text, int n) {
    std::string out;
    for (int i = 0; i < n; i++) out += text;
    return out;
}

TEST(SpecRobustness, HostileFiles) {
    for (const std::string &text : std::initializer_list<std::string>{
             std::string("\0\0\0", 3), std::string("\xff\xfe[\0k\0", 6), std::string("\xef\xbb\xbf[kernel]\nhead_dim = 64"), std::string("\xed\xa0\x80 = 1"),
             std::string("[kernel]\nname = \"\xc3\x28\""), std::string("[kernel]\r\nhead_dim = 64\r\n"), std::string("[kernel]\rhead_dim = 64"),
             "a = " + repeated("[", 60000), "a = " + repeated("[", 30000) + repeated("]", 30000), "a = " + repeated("{a=", 20000),
             "a" + repeated(".a", 30000) + " = 1", "[a" + repeated(".a", 30000) + "]", "[" + repeated("a . ", 15000) + "a]",
             "a = " + repeated("{" + repeated("a.", 60) + "a=", 15) + "1" + repeated("}", 15),  // as deep as a line may go
             "a = [" + repeated("\n{" + repeated("a.", 60) + "a=[", 100), repeated("[[a]]\n", 10000), repeated("[a]\n", 10000),
             "a = \"" + repeated("x", 65000), "a = '''" + repeated("\n", 65000), repeated("#", 65536), repeated("#", 65537), repeated("a", 65000) + " = 1",
             "[kernel]\nhead_dim = " + repeated("9", 60000), "[kernel]\nscale = 0." + repeated("1", 60000), "[kernel]\nscale = 1e" + repeated("9", 300),
             "[kernel]\nscale = 1e-400", "[kernel]\nscale = \"" + repeated("1", 60000) + "\"",
             std::string("[kernel]\nname = \"\\u0000\""), std::string("[kernel]\nname = \"\\U0010FFFF\""), std::string("kernel = {}\ntargets = {}"),
             std::string("kernel = [{head_dim = 1}]"), std::string("[[[a]]]"), std::string("[&"), std::string("[[="), std::string("[kernel]\noutputs = [[[\"out\"]]]"), std::string("[kernel]\noutputs = [{a = 1}, 1979-05-27, nan]"),
         })
        expect_kernel_or_error(text);
}

TEST(SpecRobustness, EveryKindOfCharacterInEveryPlace) {
    for (char32_t c = 0; c <= 0x10ffff; c += c < 0x300 ? 1 : 997)
        for (const std::string &text : {utf8(c), "[kernel]\n" + utf8(c) + " = 1", "[" + utf8(c) + "]", "[kernel]\nname = " + utf8(c), "[kernel]\nname = 1" + utf8(c),
                                        "[kernel]\nname = \"" + utf8(c) + "\" " + utf8(c) + "# " + utf8(c), "[kernel]\nname = \"\"\"\\\n" + utf8(c) + "\"\"\""})
            expect_kernel_or_error(text);
}

TEST(SpecRobustness, MutatedFiles) {
    const std::string good = "# a kernel\n[kernel]\nname = \"k\"\ndtype = \"bf16\"\nhead_dim = 96\nhead_dim_v = 128\ngroup = \"any\"\nscale = 0.1\n"
                             "mask = \"causal\"\noutputs = [\"out\", \"lse\"]\nphases = [\"prefill\"]\nalgorithm = \"auto\"\n[targets]\ncpu = [\"avx2\"]\ngpu = []\n";
    const char *seed_text = std::getenv("ATTUNE_FUZZ_SEED"), *count_text = std::getenv("ATTUNE_FUZZ_COUNT");
    const unsigned seed = seed_text ? static_cast<unsigned>(std::atoi(seed_text)) : 1;
    const int count = count_text ? std::atoi(count_text) : 3000;
    std::mt19937 random(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
    const std::string pieces = "=[]{}\".'#\n\\ \t\r,0-+e_x\xff\x80";
    for (int i = 0; i < count; i++) {
        SCOPED_TRACE("ATTUNE_FUZZ_SEED=" + std::to_string(seed) + ", file " + std::to_string(i));
        std::string text = good;
        for (size_t n = 1 + below(6); n > 0 && !text.empty(); n--) {
            const size_t at = below(text.size());
            switch (below(5)) {
            case 0: text[at] = static_cast<char>(random()); break;
            case 1: text.erase(at, 1 + below(10)); break;
            case 2: text.insert(at, 1, pieces[below(pieces.size())]); break;
            case 3: text.insert(at, text.substr(below(text.size()), below(30))); break;
            default: text.resize(at); break;
            }
        }
        expect_kernel_or_error(text);
    }
}

}  // namespace
}  // namespace attune

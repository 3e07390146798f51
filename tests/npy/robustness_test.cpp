#include "tests/npy/npy_folder.h"

#include <cstdlib>
#include <random>

namespace attune {
namespace {

class NpyRobustness : public test::NpyFolder {};

/// Random flips, cuts and insertions: an array that agrees with itself, or an Error(input).
TEST_F(NpyRobustness, MutatedFiles) {
    const char *seed_text = std::getenv("ATTUNE_FUZZ_SEED"), *count_text = std::getenv("ATTUNE_FUZZ_COUNT");
    const unsigned seed = seed_text ? static_cast<unsigned>(std::atoi(seed_text)) : 1;
    const int count = count_text ? std::atoi(count_text) : 5000;
    std::mt19937 random(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
    const std::string pieces = "(),'\"{}[]0123456789L-: <>|fiubO\n\x93";
    int accepted = 0;
    for (int i = 0; i < count; i++) {
        SCOPED_TRACE("ATTUNE_FUZZ_SEED=" + std::to_string(seed) + ", file " + std::to_string(i));
        std::string text = test::npy_text(test::npy_dictionary("<f4", "(2, 3)"), std::string(24, 'd'), 1 + static_cast<int>(below(3)));
        for (size_t n = 1 + below(3); n > 0 && !text.empty(); n--) {
            const size_t at = below(text.size());
            switch (below(5)) {
            case 0: text[at] = static_cast<char>(random()); break;
            case 1: text[at] = static_cast<char>(text[at] ^ (1 << below(8))); break;
            case 2: text[at] = pieces[below(pieces.size())]; break;
            case 3: text.insert(at, 1, pieces[below(pieces.size())]); break;
            default: text.resize(at); break;
            }
        }
        const std::string file = write_text(text);
        try {
            const NpyArray a = read_npy(file, "--query");
            EXPECT_EQ(a.bytes.size(), static_cast<size_t>(a.size()) * npy_element_size(a.dtype));
            accepted++;
        } catch (const Error &error) {
            EXPECT_EQ(error.details().code, ErrorCode::input);
            EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        }
    }
    EXPECT_GT(accepted, 0);
    EXPECT_LT(accepted, count);
}

TEST_F(NpyRobustness, EveryTruncationOfAFileIsRefused) {
    const std::string text = test::npy_text(test::npy_dictionary("<f4", "(2, 3)"), std::string(24, 'd'));
    for (size_t n = 0; n < text.size(); n++) EXPECT_THROW(read_npy(write_text(text.substr(0, n))), Error) << n;
}

}  // namespace
}  // namespace attune

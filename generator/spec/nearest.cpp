#include "generator/spec/nearest.h"

#include <algorithm>

namespace attune {
namespace {

/// Insertions, deletions, replacements and swaps of neighbours (the optimal string alignment distance).
size_t edits(const std::string &a, const std::string &b) {
    std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
    for (size_t i = 0; i <= a.size(); i++)
        for (size_t j = 0; j <= b.size(); j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(const std::string &word, const std::vector<std::string> &candidates) {
    if (word.empty() || word.size() > 64) return "";
    std::string best;
    size_t limit = std::max<size_t>(1, word.size() / 3) + 1;
    for (const auto &candidate : candidates)
        if (const size_t n = edits(word, candidate); n < limit && n < candidate.size()) {
            best = candidate;
            limit = n;
        }
    return best;
}

}  // namespace attune

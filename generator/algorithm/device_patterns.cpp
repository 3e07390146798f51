#include "generator/algorithm/device_patterns.h"
#include "generator/spec/patterns.h"

namespace attune {

using namespace Halide;

DevicePatterns::DevicePatterns(const AttentionSpec &spec) {
    for (const Expression *expression : {&spec.mask, &spec.score})
        for (const Pattern *pattern : patterns_of(*expression))
            add(*pattern);
}

void DevicePatterns::add(const Pattern &pattern) {
    if (!first_word_.emplace(&pattern, static_cast<int>(words.size())).second)
        return;
    const size_t first = words.size();
    words.resize(first + (pattern.visible.size() + 31) / 32);
    for (size_t i = 0; i < pattern.visible.size(); i++)
        if (pattern.visible[i])
            words[first + i / 32] |= static_cast<int32_t>(1u << i % 32);
}

Expr DevicePatterns::visible(const ImageParam &array, const Pattern &pattern, const Expr &head, const Expr &row, const Expr &column) const {
    const Expr i = (head * int(pattern.rows) + row) * int(pattern.columns) + column;
    return ((array(first_word_.at(&pattern) + i / 32) >> (i % 32)) & 1) != 0;
}

}  // namespace attune

#pragma once
#include "Halide.h"
#include "generator/spec/spec.h"

#include <map>
#include <vector>

namespace attune {

/// The constant patterns of a specification's mask and score as words of bits, which a device kernel gets as one array: no interface has constant tables
/// that all of them write alike.
class DevicePatterns {
public:
    explicit DevicePatterns(const AttentionSpec &spec);

    std::vector<int32_t> words;

    /// Whether a block is visible; `array` holds the words.
    Halide::Expr visible(const Halide::ImageParam &array, const Pattern &pattern, const Halide::Expr &head, const Halide::Expr &row,
                         const Halide::Expr &column) const;

private:
    void add(const Pattern &pattern);

    std::map<const Pattern *, int> first_word_;
};

}  // namespace attune

#pragma once
#include "generator/spec/expression.h"

#include <string>
#include <string_view>

namespace attune {

/// The text of an expression or of a type, and where it stands: what errors point into.
class Source {
public:
    Source(std::string_view text, const ExpressionContext &context) : text_(text), context_(context) {}

    std::string_view text() const { return text_; }
    const ExpressionContext &context() const { return context_; }
    /// 1-based, in characters, from the beginning of the text: Node::column.
    int column(size_t offset) const;

    /// Throws Error(usage). offset, length: the bytes at fault. problem is a part of a sentence: "unknown name windw".
    [[noreturn]] void fail(size_t offset, size_t length, const std::string &problem, const std::string &expected,
                           const std::string &cure) const;

private:
    std::string_view text_;
    const ExpressionContext &context_;
};

}  // namespace attune

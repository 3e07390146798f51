#pragma once
#include "generator/spec/error.h"
#include "generator/spec/keys.h"
#include "generator/spec/spec.h"

#include <string>

namespace attune {

/// The value in a message: strings are quoted where they look like something else or are empty.
std::string shown(const RawValue &value, bool quoted = false);

/// A key with its value: where an error of the validator points to.
struct Field {
    const SpecKey &key;
    const RawValue &value;

    std::string argument() const;  ///< "head_dim" or "--head-dim"
    /// Throws Error. Empty cure and expected: the key's own.
    [[noreturn]] void fail(const std::string &found, const std::string &cure = "", const std::string &problem = "",
                           const std::string &expected = "", ErrorCode code = ErrorCode::usage) const;
    /// What an expression under this key may say, and where it stands.
    ExpressionContext expression_context(ExprType wanted, const std::vector<ParamDeclaration> *params) const;
};

}  // namespace attune

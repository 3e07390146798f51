#pragma once
#include "generator/spec/field.h"

#include <string>
#include <vector>

namespace attune {

/// A parameter as the file or a flag declares it.
struct DeclaredParam {
    std::string name;
    RawValue value;  ///< its type
};

/// In the order of the file, then of the flag, which overrides. Throws Error(usage), as all of these.
std::vector<DeclaredParam> declared_params(const RawSpec &raw);
std::vector<ParamDeclaration> check_params(const std::vector<DeclaredParam> &declared);

/// The key `sink`. An undeclared sink is declared: its type has no choice.
void check_sink(const Field &field, AttentionSpec &spec);

/// A parameter that nothing reads would have to be given in every call for nothing.
void refuse_unused(const AttentionSpec &spec, const std::vector<DeclaredParam> &declared);

}  // namespace attune

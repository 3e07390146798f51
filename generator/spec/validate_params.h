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

/// A key that names a parameter of one of these types; an undeclared one is declared as the first. Returns its name.
std::string check_named_param(const Field &field, AttentionSpec &spec, const std::vector<std::string> &types);
/// The key `sink`.
void check_sink(const Field &field, AttentionSpec &spec);

/// A parameter that nothing reads would have to be given in every call for nothing.
void refuse_unused(const AttentionSpec &spec, const std::vector<DeclaredParam> &declared);

}  // namespace attune

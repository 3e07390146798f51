#pragma once
#include "attune/kernel.h"
#include "generator/spec/spec.h"

#include <string>
#include <vector>

namespace attune {

/// <name>_params as C lays it out: the block mask where the specification has one, then the params in their order.
struct ParamsStruct {
    uint32_t size = 0;  ///< 0: the kernel has none
    /// Of each param; name and declaration are null here, since they must live as long as the kernel.
    std::vector<attune_param> members;
};
ParamsStruct params_struct(const AttentionSpec &spec);
/// The members as a C struct's, one a line, with what each is.
std::string params_struct_text(const AttentionSpec &spec);

}  // namespace attune

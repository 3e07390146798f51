#pragma once
#include <string>

namespace attune {

/// Of a generated header: "ATTUNE_GENERATED_MINILM_UP_H".
std::string include_guard(const std::string &name);

}  // namespace attune

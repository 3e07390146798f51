#pragma once
#include "Halide.h"

#include <functional>
#include <string>

namespace attune {

/// The module with its PTX changed.
Halide::Module with_ptx(const Halide::Module &module, const std::function<std::string(const std::string &ptx)> &changed);

}  // namespace attune

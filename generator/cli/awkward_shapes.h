#pragma once
#include "generator/backend/kernel.h"
#include "generator/cli/shape.h"

#include <string>
#include <vector>

namespace attune::cli {

struct AwkwardShape {
    Shape shape;
    std::string reason;
};
/// Shapes where kernels go wrong, for the blocks of this one.
std::vector<AwkwardShape> awkward_shapes(const KernelPlan &plan);

}  // namespace attune::cli

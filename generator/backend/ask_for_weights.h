#pragma once
#include "generator/algorithm/projection.h"

namespace attune {

/// Makes the inner loop of a projection ask memory for the next panel's weights while the rows meet those of this one. A panel is read in its
/// first tile of rows alone, a quarter of the time of 14 rows: memory would have that long to bring it.
void ask_for_weights(Halide::Pipeline &pipeline, const ProjectionTask &task);

}  // namespace attune

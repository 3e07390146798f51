#pragma once
#include "Halide.h"

#include <map>
#include <string>

namespace attune {

/// Makes registers of each thread of what a device schedule stores in MemoryType::Register at the level of a block, so that a thread keeps its part of
/// an accumulator across the block's loops. Halide 21 sizes such an allocation for all threads of the block, and lets threads read each
/// other's elements, which then are never there (Halide issue 9325). Here an element's index must be T(thread) + r: T is dropped, the r that occur are
/// numbered. Throws where accesses differ in T, where an index depends on more than the thread, or where two threads own an element.
///
/// `replicated`: allocations whose elements do not depend on the outer dimension, as a row's maximum beside its accumulator: name up to its last dot
/// ("state.0") -> elements of the inner dimension. One copy is kept, which the last of the replicas writes, so that all read the old value.
void keep_in_registers(Halide::Pipeline &pipeline, const std::map<std::string, int> &replicated);

}  // namespace attune

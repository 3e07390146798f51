#pragma once
#include "tests/support/kernel_case.h"

/// Of tests/support/emulated_instructions.cpp.
extern "C" bool attune_emulate_is_released();

namespace attune::test {

/// What kernels of other products than f32 meet: tails of every kind, whole chunks, several tasks, lengths; `heads` on 2 key/value heads. Matrix tiles,
/// where they are emulated, are released after each call.
inline void check_product_shapes(const LoadedKernel &kernel, int64_t heads) {
    const ShapeCase shapes[] = {
        {"one_pair", 1, heads, 2, 1, 1},
        {"tails", 2, heads, 2, 53, 77},
        {"whole_chunks", 1, heads, 2, 192, 256},
        {"two_tasks", 1, heads, 2, 401, 333},
        {"padded", 2, heads, 2, 70, 150, {70, 9}, {129, 150}, false, Layout::padded},
        {"packed", 3, heads, 2, 60, 140, {60, 1, 33}, {140, 64, 65}, true},
    };
    uint64_t seed = 1;
    for (const ShapeCase &shape : shapes) {
        SCOPED_TRACE(shape.name);
        for (InputKind kind : {InputKind::normal, InputKind::wide_8, InputKind::spike}) check_shape(kernel, shape, kind, seed++);
        EXPECT_TRUE(attune_emulate_is_released());
    }
}

}  // namespace attune::test

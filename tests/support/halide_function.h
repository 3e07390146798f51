#pragma once
#include "Halide.h"
#include "generator/backend/target.h"

#include <vector>

namespace attune::test {

/// Compiles f (one dimension, inputs of f32) through the back end for a target of this CPU, as a kernel's functions are, and runs it on
/// arrays; as many results as the first array has elements.
std::vector<uint8_t> run_function_bytes(Halide::Func f, const std::vector<Halide::Argument> &arguments,
                                        const std::vector<std::vector<float>> &arrays, const CpuTarget &target, size_t result_bytes);

template <typename T>
std::vector<T> run_function(Halide::Func f, const std::vector<Halide::Argument> &arguments, const std::vector<std::vector<float>> &arrays,
                            const CpuTarget &target, size_t results = 0) {
    const size_t count = results ? results : arrays[0].size();
    const std::vector<uint8_t> bytes = run_function_bytes(f, arguments, arrays, target, count * sizeof(T));
    const T *first = reinterpret_cast<const T *>(bytes.data());
    return {first, first + count};
}

}  // namespace attune::test

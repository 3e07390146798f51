#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace attune::gpu_bench {

/// Arrays of a kernel's element type ("f32", "f16", "bf16"), as bytes.
int element_bytes(const std::string &dtype);
/// Normal random numbers, rounded to nearest even; the same for the same seed.
std::vector<char> random_array(const std::string &dtype, int64_t elements, uint64_t seed);
double element(const std::string &dtype, const std::vector<char> &array, int64_t index);
/// Half a last place of 1 in the type.
double unit_roundoff(const std::string &dtype);

}  // namespace attune::gpu_bench

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attune {

/// An extent as a model states it: a number, a symbol ("batch": the same word is the same extent), or neither.
struct OnnxDim {
    int64_t size = -1;  ///< -1: not a number
    std::string symbol = {};

    bool is_number() const { return size >= 0; }
    /// Whether both are certainly the same extent.
    bool same(const OnnxDim &other) const { return is_number() ? size == other.size : !symbol.empty() && symbol == other.symbol; }
};

/// A tensor of a model by its name, with what the model says of its type.
struct OnnxTensor {
    std::string name = {};  ///< "": an optional input that is left out
    int type = 0;           ///< TensorProto.DataType; 0: not stated
    std::optional<std::vector<OnnxDim>> shape = {};

    explicit operator bool() const { return !name.empty(); }
};

/// TensorProto.DataType, as far as kernels and their arguments have them.
namespace onnx_type {
constexpr int float32 = 1, int32 = 6, int64 = 7, boolean = 9, float16 = 10, float64 = 11, bfloat16 = 16;
}
/// "float16" of 10: the names that ONNX's own Python uses, in lower case.
std::string onnx_type_name(int type);

}  // namespace attune

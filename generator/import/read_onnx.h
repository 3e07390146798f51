#pragma once
#include "generator/import/onnx_attention.h"
#include "generator/import/onnx_flex.h"
#include "generator/import/onnx_linear.h"

#include <variant>

namespace attune {

/// A node whose operator nobody here knows, though its name says attention.
struct OnnxUnknown {
    std::string name = {};
    std::string problem = {};  ///< what it is
};
using OnnxNode = std::variant<OnnxAttention, OnnxLinear, OnnxFlex, OnnxUnknown>;

struct OnnxModel {
    int64_t opset = 0;  ///< of ai.onnx; 0: the model imports none
    std::vector<OnnxNode> nodes = {};
};

/// Every node of a model file whose operator's name says attention, in the order of the file, those in branches and loop bodies too.
/// Weights stay unread. Throws Error(input): no file, not a model, cut off, no such node.
OnnxModel read_onnx(const std::string &path);

}  // namespace attune

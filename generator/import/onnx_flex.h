#pragma once
#include "generator/import/onnx_graph.h"

namespace attune {

/// A node of an ONNX model with the operator FlexAttention (ai.onnx.preview, version 1). Attributes that the node leaves out have ONNX's
/// defaults.
struct OnnxFlex {
    std::string name = {};
    int64_t opset = 0;                            ///< of ai.onnx.preview
    OnnxTensor query = {}, key = {}, value = {};  ///< Q, K, V: (batch, heads, seq_len, head_size)
    std::string output = {};
    std::optional<float> scale = {};
    int64_t softmax_precision = 0;            ///< a TensorProto.DataType; 0: float
    std::optional<OnnxGraph> score_mod = {};  ///< from scaled scores to what the softmax is taken of
    std::optional<OnnxGraph> prob_mod = {};   ///< from the softmax to the weights of values
    std::string problem = {};
};

}  // namespace attune

#pragma once
#include "generator/import/onnx_tensor.h"

namespace attune {

/// A node of an ONNX model with the operator LinearAttention (ai.onnx, version 27). Attributes that the node leaves out have ONNX's defaults.
struct OnnxLinear {
    std::string name = {};
    int64_t opset = 0;
    OnnxTensor query = {}, key = {}, value = {};  ///< (batch, seq_len, heads * head_size); heads of key and value: kv_num_heads
    OnnxTensor past_state = {};                   ///< (batch, kv_num_heads, head_size, head_size of value)
    OnnxTensor decay = {};  ///< (batch, seq_len, kv_num_heads [* head_size]): logarithms of what the state keeps at each position
    OnnxTensor beta = {};   ///< (batch, seq_len, kv_num_heads or 1)
    std::string output = {}, present_state = {};
    std::optional<int64_t> q_num_heads = {}, kv_num_heads = {};
    float scale = 0;  ///< 0: 1/sqrt(head_size)
    std::string update_rule = "gated_delta";
    int64_t chunk_size = 64;  ///< a hint for speed
    std::string problem = {};
};

}  // namespace attune

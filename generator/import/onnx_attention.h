#pragma once
#include "generator/import/onnx_tensor.h"

namespace attune {

/// A node of an ONNX model with the operator Attention. Attributes that the node leaves out have ONNX's defaults.
/// ONNX operators, Attention, versions 23, 24 and 25.
struct OnnxAttention {
    std::string name = {};                        ///< the node's, or "Attention 3" where it has none
    int64_t opset = 0;                            ///< of ai.onnx in the model
    OnnxTensor query = {}, key = {}, value = {};  ///< Q, K, V: (batch, heads, seq_len, head_dim) or (batch, seq_len, heads * head_dim)
    OnnxTensor attn_mask = {};                    ///< rank 1 … 4, of (batch, heads, seq_len_q, seq_len_kv) aligned at the last
    OnnxTensor past_key = {}, past_value = {};
    OnnxTensor nonpad_kv_seqlen = {};                                                      ///< int64 (batch)
    std::string output = {}, present_key = {}, present_value = {}, qk_matmul_output = {};  ///< "": not asked for
    bool is_causal = false;
    std::optional<int64_t> q_num_heads = {}, kv_num_heads = {};
    std::optional<float> scale = {};
    float softcap = 0;  ///< 0: none
    int64_t qk_matmul_output_mode = 0;
    int64_t left_window_size = -1, right_window_size = -1;  ///< -1: unlimited
    int64_t softmax_precision = 0;                          ///< a TensorProto.DataType; 0: that of Q
    std::string problem = {};                               ///< why the node itself cannot be read; "": it can
};

}  // namespace attune

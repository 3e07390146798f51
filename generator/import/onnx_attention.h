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

/// A node of an ONNX model whose operator is called Attention, or something like it. Attributes that the node leaves out have ONNX's
/// defaults. ONNX operators, Attention, versions 23, 24 and 25.
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

/// Every such node of a model file, in the order of the file, those in branches and loop bodies too. Weights stay unread.
/// Throws Error(input): no file, not a model, cut off, no such node.
std::vector<OnnxAttention> read_onnx_attention(const std::string &path);

/// "float16" of 10: the names that ONNX's own Python uses, in lower case.
std::string onnx_type_name(int type);

}  // namespace attune
